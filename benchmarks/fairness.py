"""`make bench-fairness`: what fifty stores notice of one store's backlog, and of its rebuild."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from benchmarks.bodies import order_bodies
from benchmarks.end_to_end import Path, watched_orders
from benchmarks.machine import choose_cores
from benchmarks.place import Place, Site, open_site
from benchmarks.processes import serving
from benchmarks.projecting.events import show, write_hidden_log
from benchmarks.projector import projector, projector_log, wait_until_projected
from benchmarks.rounds import note
from benchmarks.settling import settle
from benchmarks.statistics import percentile
from benchmarks.stores import BenchStore, write_stores
from shared_kernel.identifiers import new_id

STORES = 50
BACKLOG_EVENTS = 100_000
RATE_PER_SECOND = 60
"""Of all fifty together: two cores carry this, both APIs, the databases and the projector without a queue."""
MOST_TIMES = 2.0
_SECONDS = 10.0
_EDITIONS = 100
_BODIES = 20
_UP_TO_DATE_SECONDS = 120.0
_LEFT = """
SELECT greatest(0, $2 - min(c.position)) FROM read.active_build a
JOIN projection.checkpoint c USING (tenant_id, name, version, build) WHERE a.tenant_id = $1
"""
_REBUILD = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
SELECT $1, 'rebuild', name, max(version), $2, '{}'::jsonb, 'benchmark'
FROM projection.build WHERE name = $3 GROUP BY name
"""
_REBUILDING = "SELECT count(*) FROM projection.request WHERE state IN ('requested', 'running')"


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """How late the fifty were while something went on in the one; `still` says how much of that was left at the end."""

    name: str
    latencies: list[float]
    still: str

    def milliseconds(self, share: float) -> float:
        """A percentile."""
        return percentile(self.latencies, share) * 1_000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One site with both APIs and a projector."""

    place: Place
    path: Path
    stores: tuple[BenchStore, ...]
    large: UUID

    async def phase(self, name: str, *, begin: Callable[["Run"], Coroutine[Any, Any, None]]) -> Phase:
        """Begin something, and watch the fifty meanwhile."""
        note(f"{name}: {_SECONDS:.0f} s")
        bodies = [order_bodies(store, _BODIES) for store in self.stores]
        await begin(self)
        latencies = await watched_orders(
            self.path, self.stores, bodies,
            count=round(_SECONDS * RATE_PER_SECOND), label=name, rate_per_second=RATE_PER_SECOND, sampled=1,
        )  # fmt: skip
        read = await asyncpg.connect(self.place.read_admin_url)
        try:
            left = await read.fetchval(_LEFT, self.large, BACKLOG_EVENTS)
            rebuilds = await read.fetchval(_REBUILDING)
        finally:
            await read.close()
        phase = Phase(name=name, latencies=latencies, still=f"{left or 0:,} events, {rebuilds} rebuilds")
        note(f"p50 {phase.milliseconds(0.5):.1f} ms, p99 {phase.milliseconds(0.99):.1f} ms; left: {phase.still}")
        return phase


async def _nothing(_run: Run) -> None:
    return


async def _backlog(run: Run) -> None:
    await show(run.place, [run.large])


async def _rebuild(run: Run) -> None:
    read = await asyncpg.connect(run.place.read_admin_url)
    try:
        for name in ("order_list", "order_detail", "sales"):
            await read.execute(_REBUILD, new_id(), run.large, name)
    finally:
        await read.close()


def main() -> None:
    """Measure, print, and exit 1 where the fifty waited more than twice as long."""
    with open_site() as site:
        phases = _measure(site)
    quiet = phases[0].milliseconds(0.99)
    lines = [
        f"{STORES} stores, {RATE_PER_SECOND} orders/s together; commit to visible, in ms\n",
        "| meanwhile, in another store | p50 | p99 | p99, times the quiet run's | left at the end |",
        "|---|--:|--:|--:|---|",
    ]
    for one in phases:
        p50, p99 = one.milliseconds(0.5), one.milliseconds(0.99)
        lines.append(f"| {one.name} | {p50:.1f} | {p99:.1f} | {p99 / quiet:.2f} | {one.still} |")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(0 if all(one.milliseconds(0.99) <= MOST_TIMES * quiet for one in phases) else 1)


def _measure(site: Site) -> list[Phase]:
    cores = choose_cores()
    place = site.place("fairness", redis_database=9)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * STORES, editions=_EDITIONS))
    note(f"writing {BACKLOG_EVENTS:,} events that nobody sees yet")
    (large,) = asyncio.run(write_hidden_log(place, stores=1, events=BACKLOG_EVENTS, seed=1))
    note("projecting what there is")
    with ExitStack() as stack:
        stack.enter_context(projector(place, site.folder))
        wait_until_projected(place, projector_log(site.folder), seconds=_UP_TO_DATE_SECONDS)
        asyncio.run(settle(place))
        ports = [
            stack.enter_context(serving(app, core=cores.server, variables=variables, folder=site.folder)).port
            for app, variables in (
                ("write_side.app:app", place.write_api()),
                ("read_side.app:app", place.read_api()),
            )
        ]
        path = Path(key="fairness", write_port=ports[0], read_port=ports[1], floor=False)
        run = Run(place=place, path=path, stores=tuple(stores), large=large)
        phases = []
        asyncio.run(run.phase("warming up", begin=_nothing))
        for name, begin in (("nothing", _nothing), ("a backlog of 100,000 events", _backlog)):
            phases.append(asyncio.run(run.phase(name, begin=begin)))
        wait_until_projected(place, projector_log(site.folder), seconds=_UP_TO_DATE_SECONDS)
        phases.append(asyncio.run(run.phase("a rebuild of three views", begin=_rebuild)))
    return phases


if __name__ == "__main__":
    main()
