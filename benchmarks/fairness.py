"""`make bench-fairness`: what fifty stores notice of one store's backlog, and of its rebuild."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
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
RATE_PER_SECOND = 60
"""Of all fifty together: two cores carry this, both APIs, the databases and the projector without a queue."""
MOST_TIMES = 2.0
_ROUNDS = 3
_WARM_UP_SECONDS, _QUIET_SECONDS, _BESIDE_SECONDS = 10.0, 8.0, 10.0
"""A round has two quiet phases, one before each of the others: a 99th percentile of a thousand orders as the base."""
_GRACE_SECONDS = 1.0
"""What a rebuild leaves is removed while it is still measured."""
_EDITIONS = 100
_BODIES = 20
_UP_TO_DATE_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_LEFT = """
SELECT greatest(0, $2 - min(c.position)) FROM read.active_build a
JOIN projection.checkpoint c USING (tenant_id, name, version, build) WHERE a.tenant_id = $1
"""
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
    """How late the fifty were, in seconds; `left` says how much was still to be done in the one at the end."""

    latencies: list[float]
    left: str


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The quiet phases' latencies, and what else was watched, by name."""

    quiet: list[float]
    beside: Mapping[str, Phase]

    def times(self, name: str) -> float:
        """The 99th percentile beside it, over the quiet one."""
        return percentile(self.beside[name].latencies, 0.99) / percentile(self.quiet, 0.99)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One site with both APIs and a projector."""

    place: Place
    path: Path
    stores: tuple[BenchStore, ...]
    read: asyncpg.Connection

    async def watch(self, label: str, *, seconds: float) -> list[float]:
        """From commit to visible, of every order the fifty place meanwhile."""
        note(f"{label}: {seconds:.0f} s")
        latencies = await watched_orders(
            self.path, self.stores, [order_bodies(store, _BODIES) for store in self.stores],
            count=round(seconds * RATE_PER_SECOND), label=label, rate_per_second=RATE_PER_SECOND, sampled=1,
        )  # fmt: skip
        p50, p99, worst = (percentile(latencies, share) * 1_000 for share in (0.5, 0.99, 1.0))
        note(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {worst:.1f} ms")
        return latencies

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


Left: TypeAlias = Callable[[], str]
Beside: TypeAlias = Callable[[Run, UUID], AbstractAsyncContextManager[Left]]


@asynccontextmanager
async def _backlog(run: Run, large: UUID) -> AsyncIterator[Left]:
    await show(run.place, [large])
    left = BACKLOG_EVENTS
    yield lambda: f"{left:,} events"
    left = await run.read.fetchval(_LEFT, large, BACKLOG_EVENTS)


@asynccontextmanager
async def _rebuild(run: Run, large: UUID) -> AsyncIterator[Left]:
    """One rebuild of three views after the other, for as long as the block lasts."""
    begun = 0

    async def ask() -> None:
        nonlocal begun
        while True:
            if not await run.read.fetchval(_REBUILDING):
                begun += 1
                for name in _REBUILT:
                    await run.read.execute(_REBUILD, new_id(), large, name)
            await asyncio.sleep(_LOOK_SECONDS)

    asking = asyncio.create_task(ask())
    try:
        yield lambda: f"the {begun}. rebuild"
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    if await run.read.fetchval(_FAILED):
        raise RebuildFailed("a rebuild failed: the projector's log says why")


BESIDE: Mapping[str, Beside] = {"a backlog of 100,000 events": _backlog, "rebuilds of three views": _rebuild}


async def _round(run: Run, large: UUID, number: int) -> Round:
    quiet: list[float] = []
    beside: dict[str, Phase] = {}
    for name, begin in BESIDE.items():
        quiet += await run.watch(f"{number}. nothing, before {name}", seconds=_QUIET_SECONDS)
        async with begin(run, large) as left:
            latencies = await run.watch(f"{number}. {name}", seconds=_BESIDE_SECONDS)
        beside[name] = Phase(latencies=latencies, left=left())
        note(f"left: {beside[name].left}")
        await run.catch_up()
    return Round(quiet=quiet, beside=beside)


def main() -> None:
    """Measure, print, and exit 1 where the fifty waited more than twice as long."""
    with open_site() as site:
        rounds = _measure(site)
    sys.stdout.write("\n".join(_table(rounds)) + "\n")
    sys.exit(0 if all(median([one.times(name) for one in rounds]) <= MOST_TIMES for name in BESIDE) else 1)


def _table(rounds: Sequence[Round]) -> list[str]:
    quiet = [latency for one in rounds for latency in one.quiet]
    lines = [
        f"{STORES} stores, {RATE_PER_SECOND} orders/s together; commit to visible of all {len(rounds)} rounds, in ms\n",
        "| meanwhile, in another store | orders | p50 | p99 | p99, times the quiet one: median (each round) | left |",
        "|---|--:|--:|--:|---|---|",
        f"| nothing | {_figures(quiet)} | 1 | |",
    ]
    for name in BESIDE:
        its = [one.beside[name] for one in rounds]
        times = [one.times(name) for one in rounds]
        each = ", ".join(f"{one:.2f}" for one in times)
        left = "; ".join(one.left for one in its)
        figures = _figures([latency for one in its for latency in one.latencies])
        lines.append(f"| {name} | {figures} | {median(times):.2f} ({each}) | {left} |")
    return lines


def _figures(latencies: Sequence[float]) -> str:
    p50, p99 = (percentile(latencies, share) * 1_000 for share in (0.5, 0.99))
    return f"{len(latencies):,} | {p50:.1f} | {p99:.1f}"


def _measure(site: Site) -> list[Round]:
    cores = choose_cores()
    place = site.place("fairness", redis_database=9)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * STORES, editions=_EDITIONS))
    note(f"writing {_ROUNDS} times {BACKLOG_EVENTS:,} events that nobody sees yet")
    large = asyncio.run(write_hidden_log(place, stores=_ROUNDS, events=_ROUNDS * BACKLOG_EVENTS, seed=1))
    note("projecting what there is")
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


async def _watch_all(place: Place, path: Path, stores: Sequence[BenchStore], large: Sequence[UUID]) -> list[Round]:
    read = await asyncpg.connect(place.read_admin_url)
    try:
        run = Run(place=place, path=path, stores=tuple(stores), read=read)
        await run.watch("warming up", seconds=_WARM_UP_SECONDS)
        await run.catch_up()
        return [await _round(run, one, number) for number, one in enumerate(large, start=1)]
    finally:
        await read.close()


if __name__ == "__main__":
    main()
