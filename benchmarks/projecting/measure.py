"""`make bench ONLY=project`: events a second into three views, and of rebuilding them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from benchmarks.load.running import LoadGenerator
from benchmarks.machine import Cores
from benchmarks.peers.event_sourced import environment
from benchmarks.place import Place, Site
from benchmarks.processes import CHECKOUT, pinned, running, tail
from benchmarks.projecting.by_hand import TABLES
from benchmarks.projecting.events import show, write_hidden_log
from benchmarks.projecting.insert_select import seconds_of_insert_select
from benchmarks.projecting.rebuilding import rebuilds
from benchmarks.projecting.showing import THREE_VIEWS_WORKER, per_second, projecting_log, wait_for_leases
from benchmarks.rounds import Effort, Row, note

_STORES = 10
_EVENTS = 40_000
_PEER_ORDERS = 500
_LIMIT_SECONDS = 300.0
_ALL_VIEWS = "projections.worker"


def measure(site: Site, _generator: LoadGenerator, cores: Cores, effort: Effort) -> list[Row]:
    """Everybody in turn, each on a log of the same kind that it has not seen."""
    events = round(_EVENTS * effort.scale)
    runs: dict[str, tuple[str, Callable[[int], float]]] = {
        "project.shelfwise": (
            "three views, tables and Redis, one worker",
            lambda turn: _shelfwise(site, THREE_VIEWS_WORKER, events=events, turn=turn, core=cores.server),
        ),
        "project.floor.redis": (
            "by hand, tables and Redis",
            lambda turn: _by_hand(site, events=events, turn=turn, core=cores.server, redis=True),
        ),
        "project.floor.tables": (
            "by hand, tables alone",
            lambda turn: _by_hand(site, events=events, turn=turn, core=cores.server, redis=False),
        ),
        "project.eventsourcing": ("ProjectionRunner, the same three tables", lambda _: _peer(site, effort)),
        "project.shelfwise.all": (
            "all views of the registry, tables and Redis, one worker",
            lambda turn: _shelfwise(site, _ALL_VIEWS, events=events // 4, turn=turn, core=cores.server),
        ),
        "project.floor.insert_select": (
            "INSERT … SELECT of the three tables with their keys",
            lambda turn: _insert_select(site, events=events, turn=turn),
        ),
    }
    values: dict[str, list[float]] = {key: [] for key in runs}
    for turn in range(effort.rounds):
        for key, (_, run) in runs.items():
            values[key].append(run(turn))
            note(f"{key}: {values[key][-1]:,.0f} events/s")
    rows = [Row(key=key, unit="events/s", values=tuple(values[key]), note=text) for key, (text, _) in runs.items()]
    return [*rows, *rebuilds(site, cores, effort)]


def _shelfwise(site: Site, module: str, *, events: int, turn: int, core: int | None) -> float:
    place = site.place("project", redis_database=3)
    tenants = asyncio.run(write_hidden_log(place, stores=_STORES, events=events, seed=turn))
    with running([sys.executable, "-m", module], core=core, variables=place.projector(), log=projecting_log(site)):
        wait_for_leases(place, projecting_log(site))
        return per_second(place, tenants, projecting_log(site), events=events)


def _by_hand(site: Site, *, events: int, turn: int, core: int | None, redis: bool) -> float:
    place = site.place("hand", redis_database=5)
    tenants = asyncio.run(_prepare_by_hand(place, events=events, turn=turn))
    variables = {"BENCH_WRITE_URL": place.write_admin_url}
    if redis:
        variables["BENCH_REDIS_URL"] = place.redis_url
    asyncio.run(show(place, tenants))
    started = time.perf_counter()
    _run_to_its_end(["-m", "benchmarks.projecting.by_hand"], core=core, variables=variables, log=projecting_log(site))
    whole = time.perf_counter() - started
    started = time.perf_counter()
    _run_to_its_end(["-m", "benchmarks.projecting.by_hand"], core=core, variables=variables, log=projecting_log(site))
    # The second run finds nothing to do: what it takes is the process's start.
    return events / (whole - (time.perf_counter() - started))


async def _prepare_by_hand(place: Place, *, events: int, turn: int) -> list[UUID]:
    connection = await asyncpg.connect(place.write_admin_url)
    try:
        await connection.execute(TABLES)
    finally:
        await connection.close()
    return await write_hidden_log(place, stores=_STORES, events=events, seed=turn)


def _insert_select(site: Site, *, events: int, turn: int) -> float:
    place = site.place("insert", redis_database=6)
    tenants = asyncio.run(write_hidden_log(place, stores=_STORES, events=events, seed=turn))
    return events / asyncio.run(seconds_of_insert_select(place.write_admin_url, tenants))


def _peer(site: Site, effort: Effort) -> float:
    url = site.scratch("eventsourcing")
    orders = max(50, round(_PEER_ORDERS * effort.scale))
    log = projecting_log(site)
    printed = _run_to_its_end(
        ["-m", "benchmarks.peers.event_sourced", f"{orders}"], core=None, variables=environment(url), log=log
    )
    found = msgspec.json.decode(printed, type=dict[str, float])
    note(f"eventsourcing saves {found['orders_saved']:,.0f} orders/s of four events")
    return found["events_projected"]


def _run_to_its_end(arguments: list[str], *, core: int | None, variables: dict[str, str], log: Path) -> bytes:
    with log.open("ab") as errors:
        finished = subprocess.run(  # noqa: S603  # our own program, no shell
            pinned([sys.executable, *arguments], core),
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
            cwd=CHECKOUT,
            env={"PYTHONPATH": f"{CHECKOUT}", **variables},
            timeout=_LIMIT_SECONDS,
        )
    assert finished.returncode == 0, tail(log)
    return finished.stdout
