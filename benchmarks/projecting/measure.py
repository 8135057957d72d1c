"""`make bench ONLY=project`: events a second into three views, and of rebuilding them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
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
from benchmarks.projecting.three_views import THREE_VIEWS
from benchmarks.projector import wait_until_projected
from benchmarks.rounds import Effort, Row, note

_STORES = 10
_EVENTS = 40_000
_PEER_ORDERS = 500
_LIMIT_SECONDS = 300.0
_ALL_VIEWS = "projections.worker"
_THREE_VIEWS = "benchmarks.projecting.worker"
_LEASED = "SELECT count(*) FROM projection.lease WHERE owner IS NOT NULL AND expires_at > clock_timestamp()"
_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
VALUES (gen_random_uuid(), 'rebuild', $1, 1, '{}', 'benchmark')
"""
_UNFINISHED = "SELECT count(*) FROM projection.request WHERE state IN ('requested', 'running')"
_FAILED = "SELECT error FROM projection.request WHERE state = 'failed'"
_REBUILT = "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM projection.request"
_SHARDS = 16


def measure(site: Site, _generator: LoadGenerator, cores: Cores, effort: Effort) -> list[Row]:
    """Everybody in turn, each on a log of the same kind that it has not seen."""
    events = round(_EVENTS * effort.scale)
    runs: dict[str, tuple[str, Callable[[int], float]]] = {
        "project.shelfwise": (
            "three views, tables and Redis, one worker",
            lambda turn: _shelfwise(site, _THREE_VIEWS, events=events, turn=turn, core=cores.server),
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
        "rebuild.shelfwise": (
            "rebuild of the three views, two workers",
            lambda turn: _rebuild(site, events=events, turn=turn, cores=cores),
        ),
    }
    values: dict[str, list[float]] = {key: [] for key in runs}
    for turn in range(effort.rounds):
        for key, (_, run) in runs.items():
            values[key].append(run(turn))
            note(f"{key}: {values[key][-1]:,.0f} events/s")
    return [Row(key=key, unit="events/s", values=tuple(values[key]), note=text) for key, (text, _) in runs.items()]


def _shelfwise(site: Site, module: str, *, events: int, turn: int, core: int | None) -> float:
    place = site.place("project", redis_database=3)
    tenants = asyncio.run(write_hidden_log(place, stores=_STORES, events=events, seed=turn))
    with running([sys.executable, "-m", module], core=core, variables=place.projector(), log=_log(site)):
        _wait_for_leases(place, _log(site))
        return _seconds_to_project(place, tenants, _log(site), events=events)


def _seconds_to_project(place: Place, tenants: list[UUID], log: Path, *, events: int) -> float:
    started = time.perf_counter()
    asyncio.run(show(place, tenants))
    wait_until_projected(place, log, seconds=_LIMIT_SECONDS)
    return events / (time.perf_counter() - started)


def _rebuild(site: Site, *, events: int, turn: int, cores: Cores) -> float:
    place = site.place("rebuild", redis_database=4)
    tenants = asyncio.run(write_hidden_log(place, stores=_STORES, events=events, seed=turn))
    program = [sys.executable, "-m", _THREE_VIEWS]
    with ExitStack() as stack:
        for core in (cores.server, cores.load):
            stack.enter_context(running(program, core=core, variables=place.projector(), log=_log(site)))
        _wait_for_leases(place, _log(site))
        _seconds_to_project(place, tenants, _log(site), events=events)
        return events / asyncio.run(_rebuilt(place))


async def _rebuilt(place: Place) -> float:
    connection = await asyncpg.connect(place.read_admin_url)
    try:
        for projection in THREE_VIEWS:
            await connection.execute(_REQUEST, projection.view.name)
        deadline = time.monotonic() + _LIMIT_SECONDS
        while await connection.fetchval(_UNFINISHED):
            assert time.monotonic() < deadline, "the rebuild does not end"
            await asyncio.sleep(0.05)
        assert not await connection.fetch(_FAILED)
        return float(await connection.fetchval(_REBUILT))
    finally:
        await connection.close()


def _by_hand(site: Site, *, events: int, turn: int, core: int | None, redis: bool) -> float:
    place = site.place("hand", redis_database=5)
    tenants = asyncio.run(_prepare_by_hand(place, events=events, turn=turn))
    variables = {"BENCH_WRITE_URL": place.write_admin_url}
    if redis:
        variables["BENCH_REDIS_URL"] = place.redis_url
    asyncio.run(show(place, tenants))
    started = time.perf_counter()
    _run_to_its_end(["-m", "benchmarks.projecting.by_hand"], core=core, variables=variables, log=_log(site))
    whole = time.perf_counter() - started
    started = time.perf_counter()
    _run_to_its_end(["-m", "benchmarks.projecting.by_hand"], core=core, variables=variables, log=_log(site))
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
    log = _log(site)
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


def _wait_for_leases(place: Place, log: Path) -> None:
    asyncio.run(_leased(place, log))


async def _leased(place: Place, log: Path) -> None:
    connection = await asyncpg.connect(place.read_admin_url)
    try:
        deadline = time.monotonic() + 30
        while await connection.fetchval(_LEASED) < _SHARDS:
            assert time.monotonic() < deadline, f"no leases: {tail(log)}"
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


def _log(site: Site) -> Path:
    return site.folder / "projecting.log"
