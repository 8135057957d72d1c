"""`make bench-fairness`: what fifty stores notice of one store's backlog, and of its rebuild."""

import asyncio
import math
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from benchmarks.bodies import order_bodies
from benchmarks.end_to_end import Path, watched_orders
from benchmarks.machine import choose_cores
from benchmarks.place import Place, Site, open_site
from benchmarks.processes import serving
from benchmarks.projecting.events import show, write_hidden_log
from benchmarks.projector import lag, projector, projector_log, wait_until_projected
from benchmarks.rounds import note
from benchmarks.settling import settle
from benchmarks.statistics import median, percentile
from benchmarks.stores import BenchStore, write_stores
from shared_kernel.identifiers import new_id

STORES = 50
BACKLOG_EVENTS = 100_000
_LOG_EVENTS = 115_000
"""Of the store with the backlog: what a round has projected of it is behind it in the next."""
RATE_PER_SECOND = 60
"""Of all fifty together: two cores carry this, both APIs, the databases and the projector without a queue."""
MOST_TIMES = 2.0
_ROUNDS = 3
_WARM_UP_SECONDS, _QUIET_SECONDS = 10.0, 8.0
"""A round has two quiet phases, one before each of the others; the medians of all phases' 99th percentiles count."""
_GRACE_SECONDS = 1.0
"""What a rebuild leaves is removed while it is still measured."""
_EDITIONS = 100
_BODIES = 20
_UP_TO_DATE_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_REACHED = """
SELECT min(c.position) FROM read.active_build a
JOIN projection.checkpoint c USING (tenant_id, name, version, build) WHERE a.tenant_id = $1
"""
_HEAD = "SELECT position FROM log.tenant_head WHERE tenant_id = $1"
_HIDE = "UPDATE log.tenant_head SET position = $2 WHERE tenant_id = $1"
_HIDING_SECONDS = 1.5
"""Longer than the projector takes to look at every head."""
_REBUILT = ("order_list", "order_detail", "sales")
_REBUILD = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
SELECT $1, 'rebuild', name, max(version), $2, '{}'::jsonb, 'benchmark'
FROM projection.build WHERE name = $3 GROUP BY name
"""
_REBUILDING = "SELECT count(*) FROM projection.request WHERE state IN ('requested', 'running')"
_FAILED = "SELECT count(*) FROM projection.request WHERE state = 'failed'"


class RebuildFailed(Exception):
    """A rebuild was refused or cancelled: what was measured beside it is worth nothing."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """How late the fifty were, in seconds, and how far the other store was at the end."""

    latencies: list[float]
    at_the_end: str = ""

    @property
    def p99(self) -> float:
        """In milliseconds."""
        return percentile(self.latencies, 0.99) * 1_000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One site with both APIs and a projector."""

    place: Place
    path: Path
    stores: tuple[BenchStore, ...]
    large: Sequence[UUID]
    write: asyncpg.Connection
    read: asyncpg.Connection

    async def watch(self, label: str, *, seconds: float) -> list[float]:
        """From commit to visible, of every order the fifty place meanwhile."""
        note(f"{label}: {seconds:.0f} s")
        watched = await watched_orders(
            self.path, self.stores, [order_bodies(store, _BODIES) for store in self.stores],
            count=round(seconds * RATE_PER_SECOND), label=label, rate_per_second=RATE_PER_SECOND, sampled=1,
        )  # fmt: skip
        p50, p99, worst = (percentile(watched.orders, share) * 1_000 for share in (0.5, 0.99, 1.0))
        note(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {worst:.1f} ms")
        return watched.orders

    async def catch_up(self) -> None:
        """Return once nothing is left to be projected or rebuilt, and the servers have tidied up."""
        async with asyncio.timeout(_UP_TO_DATE_SECONDS):
            left = await self._left()
            while left:
                await asyncio.sleep(_LOOK_SECONDS)
                left = await self._left()
        await settle(self.place)

    async def _left(self) -> int:
        rebuilds: int = await self.read.fetchval(_REBUILDING)
        return rebuilds + await lag(self.place)


class Other(msgspec.Struct, kw_only=True):
    """What goes on in the other store: how far it was at the end, and when it had ended, if it has."""

    at_the_end: str = ""
    ended_after_seconds: float = float("inf")


Beside: TypeAlias = Callable[[Run], AbstractAsyncContextManager[Other]]


@asynccontextmanager
async def _backlog(run: Run) -> AsyncIterator[Other]:
    """All of a store's log that is left becomes visible; afterwards what is left is hidden again."""
    store = run.large[0]
    await show(run.place, [store])
    other = Other()
    yield other
    reached = await run.read.fetchval(_REACHED, store)
    other.at_the_end = f"{await run.write.fetchval(_HEAD, store) - reached:,} events left"
    hidden = None
    while reached != hidden:  # what was under way when it was hidden ends soon
        await run.write.execute(_HIDE, store, reached)
        await asyncio.sleep(_HIDING_SECONDS)
        hidden, reached = reached, await run.read.fetchval(_REACHED, store)


@asynccontextmanager
async def _rebuild(run: Run) -> AsyncIterator[Other]:
    """A rebuild of three views: loading, indexes, cut-over."""
    other = Other()
    started = time.monotonic()
    for name in _REBUILT:
        await run.read.execute(_REBUILD, new_id(), run.large[1], name)

    async def watch_it_end() -> None:
        left = len(_REBUILT)
        while left:
            await asyncio.sleep(_LOOK_SECONDS)
            left = await run.read.fetchval(_REBUILDING)
        other.ended_after_seconds = time.monotonic() - started

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch_it_end())
        yield other
        watching.cancel()
    ended = other.ended_after_seconds
    other.at_the_end = "not rebuilt" if math.isinf(ended) else f"rebuilt in {ended:.0f} s"
    if await run.read.fetchval(_FAILED):
        raise RebuildFailed("a rebuild failed: the projector's log says why")


_NOTHING = "nothing"
BESIDE: Mapping[str, tuple[Beside, float]] = {
    "a backlog of 100,000 events": (_backlog, 10.0),
    "a rebuild of three views": (_rebuild, 40.0),
}
"""What goes on, and for how many seconds: a rebuild counts until it was cut over to."""
Phases: TypeAlias = Mapping[str, Sequence[Phase]]


async def _all_rounds(run: Run) -> Phases:
    phases: dict[str, list[Phase]] = defaultdict(list)
    for number in range(1, _ROUNDS + 1):
        for name, (begin, seconds) in BESIDE.items():
            quiet = await run.watch(f"{number}. nothing, before {name}", seconds=_QUIET_SECONDS)
            phases[_NOTHING].append(Phase(latencies=quiet))
            async with begin(run) as other:
                latencies = await run.watch(f"{number}. {name}", seconds=seconds)
            beside = math.ceil(min(seconds, other.ended_after_seconds) * RATE_PER_SECOND)  # as they were seen
            phases[name].append(Phase(latencies=latencies[:beside], at_the_end=other.at_the_end))
            note(other.at_the_end)
            await run.catch_up()
    return phases


def main() -> None:
    """Measure, print, and exit 1 where the fifty waited more than twice as long."""
    with open_site() as site:
        phases = _measure(site)
    sys.stdout.write("\n".join(_table(phases)) + "\n")
    sys.exit(0 if all(_times(phases, name) <= MOST_TIMES for name in BESIDE) else 1)


def _times(phases: Phases, name: str) -> float:
    """How many times the quiet phases' 99th percentile it is, median by median."""
    return median([one.p99 for one in phases[name]]) / median([one.p99 for one in phases[_NOTHING]])


def _table(phases: Phases) -> list[str]:
    lines = [
        f"{STORES} stores, {RATE_PER_SECOND} orders/s together; commit to visible, in ms\n",
        "| meanwhile, in another store | orders | p50 | p99, median (each phase) | times the quiet one | at the end |",
        "|---|--:|--:|---|--:|---|",
    ]
    for name in (_NOTHING, *BESIDE):
        latencies = [latency for one in phases[name] for latency in one.latencies]
        p99s = [one.p99 for one in phases[name]]
        each = ", ".join(f"{p99:.1f}" for p99 in p99s)
        at_the_end = "; ".join(one.at_the_end for one in phases[name] if one.at_the_end)
        lines.append(
            f"| {name} | {len(latencies):,} | {percentile(latencies, 0.5) * 1_000:.1f} | {median(p99s):.1f} ({each})"
            f" | {_times(phases, name):.2f} | {at_the_end} |"
        )
    return lines


def _measure(site: Site) -> Phases:
    cores = choose_cores()
    place = site.place("fairness", redis_database=9)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * STORES, editions=_EDITIONS))
    note(f"writing two logs of {_LOG_EVENTS:,} events")
    large = asyncio.run(write_hidden_log(place, stores=2, events=2 * _LOG_EVENTS, seed=1))
    asyncio.run(show(place, large[1:]))
    note("projecting one of them")
    with ExitStack() as stack:
        stack.enter_context(projector(place, site.folder, SHELFWISE_BUILD_GRACE_SECONDS=f"{_GRACE_SECONDS}"))
        wait_until_projected(place, projector_log(site.folder), seconds=_UP_TO_DATE_SECONDS)
        ports = [
            stack.enter_context(serving(app, core=cores.server, variables=variables, folder=site.folder)).port
            for app, variables in (
                ("write_side.app:app", place.write_api()),
                ("read_side.app:app", place.read_api()),
            )
        ]
        path = Path(key="fairness", write_port=ports[0], read_port=ports[1], floor=False)
        return asyncio.run(_watch_all(place, path, stores, large))


async def _watch_all(place: Place, path: Path, stores: Sequence[BenchStore], large: Sequence[UUID]) -> Phases:
    write, read = [await asyncpg.connect(url) for url in (place.write_admin_url, place.read_admin_url)]
    try:
        run = Run(place=place, path=path, stores=tuple(stores), large=large, write=write, read=read)
        await run.watch("warming up", seconds=_WARM_UP_SECONDS)
        await run.catch_up()
        return await _all_rounds(run)
    finally:
        await write.close()
        await read.close()


if __name__ == "__main__":
    main()
