"""Rebuilding the three views beside filling the same tables by `INSERT … SELECT`, from one log, in turn."""

import asyncio
import sys
import time
from contextlib import ExitStack

import asyncpg

from benchmarks.machine import Cores
from benchmarks.place import Place, Site
from benchmarks.processes import running
from benchmarks.projecting.events import write_hidden_log
from benchmarks.projecting.insert_select import seconds_of_insert_select
from benchmarks.projecting.showing import THREE_VIEWS_WORKER, per_second, projecting_log, wait_for_leases
from benchmarks.projecting.three_views import THREE_VIEWS
from benchmarks.rounds import Effort, Row, note

_STORES = 10
_EVENTS = 200_000
"""So many that starting loaders, building indexes and cutting over are the share that they are of a real rebuild."""
_LIMIT_SECONDS = 300.0
_FORGET = "DELETE FROM projection.request"
_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
VALUES (gen_random_uuid(), 'rebuild', $1, 1, '{}', 'benchmark')
"""
_UNFINISHED = "SELECT count(*) FROM projection.request WHERE state IN ('requested', 'running')"
_FAILED = "SELECT error FROM projection.request WHERE state <> 'done'"


def rebuilds(site: Site, cores: Cores, effort: Effort) -> list[Row]:
    """Both, from the same log, with two workers at work on the same cores."""
    events = round(_EVENTS * effort.scale)
    place = site.place("rebuild", redis_database=4)
    tenants = asyncio.run(write_hidden_log(place, stores=_STORES, events=events, seed=1))
    program = [sys.executable, "-m", THREE_VIEWS_WORKER]
    floor: list[float] = []
    rebuilt: list[float] = []
    log = projecting_log(site)
    with ExitStack() as stack:
        for core in (cores.server, cores.load):
            stack.enter_context(running(program, core=core, variables=place.projector(), log=log))
        wait_for_leases(place, log)
        per_second(place, tenants, log, events=events)
        for _ in range(effort.rounds):
            floor.append(events / asyncio.run(seconds_of_insert_select(place.write_admin_url, tenants)))
            rebuilt.append(events / asyncio.run(_seconds_of_rebuild(place)))
            note(f"rebuild: {rebuilt[-1]:,.0f} events/s, INSERT … SELECT: {floor[-1]:,.0f}")
    return [
        Row(
            key="rebuild.floor.insert_select",
            unit="events/s",
            values=tuple(floor),
            note=f"INSERT … SELECT of the three tables with their keys, {events:,} events",
        ),
        Row(
            key="rebuild.shelfwise",
            unit="events/s",
            values=tuple(rebuilt),
            note="the three views, two workers: asked for, loaded, indexed, cut over in every store",
        ),
    ]


async def _seconds_of_rebuild(place: Place) -> float:
    connection = await asyncpg.connect(place.read_admin_url)
    try:
        await connection.execute(_FORGET)
        started = time.perf_counter()
        for projection in THREE_VIEWS:
            await connection.execute(_REQUEST, projection.view.name)
        deadline = time.monotonic() + _LIMIT_SECONDS
        while await connection.fetchval(_UNFINISHED):
            assert time.monotonic() < deadline, "the rebuild does not end"
            await asyncio.sleep(0.05)
        assert not await connection.fetch(_FAILED)
        return time.perf_counter() - started
    finally:
        await connection.close()
