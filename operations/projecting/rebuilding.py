"""`projections rebuild`: ask for it as an operator, follow it, verify what came of it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import msgspec

from operations.errors import CommandFailed
from operations.in_house import pool_as
from operations.projecting.operator import at_the_command_line
from operations.projecting.task import somebody_projects
from operations.projecting.verifying import verify_projection
from operations.servers.installation import Installation
from shared_kernel.database.pool import Pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id

_LOOK_SECONDS = 0.2
_UNSEEN_TIMEOUT_SECONDS = 60.0
"""A living projector looks for requests twice a second; one that has not taken it by now never will."""
_STUCK_TIMEOUT_SECONDS = 600.0
"""No event folded for this long: a tenant waits for a release that can fold its next event."""

_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
VALUES ($1, 'rebuild', $2, $3, $4, $5::jsonb, $6) ON CONFLICT (id) DO NOTHING
"""
_FOLLOW = """
SELECT state, from_build, to_build, events, error,
    extract(epoch FROM coalesce(finished_at, clock_timestamp())
        - coalesce(started_at, clock_timestamp()))::float8 AS seconds
FROM projection.request WHERE id = $1
"""
_EVENTS = "SELECT coalesce(sum(position), 0)::bigint FROM log.tenant_head WHERE $1::uuid IS NULL OR tenant_id = $1"

_STORES = "SELECT count(*) FROM log.tenant_head WHERE position > 0 AND ($1::uuid IS NULL OR tenant_id = $1)"
_SEEN = """
SELECT count(*) FROM read.active_build WHERE (name, version) = ($1, $2) AND ($3::uuid IS NULL OR tenant_id = $3)
"""


class RebuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to rebuild. `rate` is events a second, 0 for as fast as it goes."""

    name: str
    version: int
    tenant_id: UUID | None
    rate: int
    keep_old: bool


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `identical` is what a fold of the log, made afterwards, says of the new build."""

    name: str
    version: int
    from_build: int | None
    to_build: int | None
    events: int
    seconds: float
    events_per_second: float
    identical: bool


async def rebuild_projection(
    installation: Installation, request: RebuildRequest, *, on_progress: Callable[[int, int], None]
) -> Rebuilt:
    """Have a projection rebuilt beside the live one, and verify it.

    Args:
        installation: whose projection.
        request: what to rebuild.
        on_progress: is told events folded, of how many.

    Raises:
        CommandFailed: no projector took the request, or it failed.
    """
    async with AsyncExitStack() as stack:
        write_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=False, size=1))
        read_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1))
        await stack.enter_async_context(somebody_projects(installation))
        await _wait_for_a_live_build(write_pool, read_pool, request)
        expected = await write_pool.fetchval(_EVENTS, request.tenant_id)
        request_id = await ask_rebuild(read_pool, request, requested_by=at_the_command_line())
        done = await _follow(read_pool, request_id, lambda events: on_progress(events, max(events, expected)))
    verification = await verify_projection(installation, request.name, tenant_id=request.tenant_id)
    seconds = round(done["seconds"], 3)
    return Rebuilt(
        name=request.name,
        version=request.version,
        from_build=done["from_build"],
        to_build=done["to_build"],
        events=done["events"],
        seconds=seconds,
        events_per_second=round(done["events"] / seconds, 1) if seconds else 0.0,
        identical=verification.identical,
    )


async def ask_rebuild(
    read_pool: Pool, request: RebuildRequest, *, requested_by: str, request_id: UUID | None = None
) -> UUID:
    """Record the request, for the projector that sees it first; under one id, twice is once.

    Args:
        read_pool: the read database, as the operator's role.
        request: what to rebuild.
        requested_by: who asks.
        request_id: where it was chosen before; else a new one.
    """
    asked = request_id or new_id()
    options = msgspec.json.encode({"rate": request.rate, "keep_old": request.keep_old}).decode()
    await read_pool.execute(_REQUEST, asked, request.name, request.version, request.tenant_id, options, requested_by)
    return asked


async def _wait_for_a_live_build(write_pool: Pool, read_pool: Pool, request: RebuildRequest) -> None:
    """A store that no projector has seen yet has nothing to rebuild: let it be seen first."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _UNSEEN_TIMEOUT_SECONDS
    stores = await write_pool.fetchval(_STORES, request.tenant_id)
    while await read_pool.fetchval(_SEEN, request.name, request.version, request.tenant_id) < stores:
        if loop.time() > deadline:
            raise CommandFailed("no projector has seen every store: `shelfwise doctor` says who is at work")
        await asyncio.sleep(_LOOK_SECONDS)


async def _follow(read_pool: Pool, request_id: UUID, on_events: Callable[[int], None]) -> asyncpg.Record:
    loop = asyncio.get_running_loop()
    moved_at, events, state = loop.time(), 0, "requested"
    # Bounded by the two timeouts: each turn either sees something move or comes nearer to one of them.
    while True:
        row = await read_pool.fetchrow(_FOLLOW, request_id)
        assert row is not None, "requests are never deleted"
        if (row["events"], row["state"]) != (events, state):
            moved_at, events, state = loop.time(), row["events"], row["state"]
        on_events(events)
        if state == "done":
            return row
        if state == "failed":
            raise CommandFailed(f"the projector refused: {row['error']}")
        _refuse_standstill(state, loop.time() - moved_at)
        await asyncio.sleep(_LOOK_SECONDS)


def _refuse_standstill(state: str, still_seconds: float) -> None:
    if state == "requested" and still_seconds > _UNSEEN_TIMEOUT_SECONDS:
        raise CommandFailed("no projector took the request: `shelfwise doctor` says who is at work")
    if still_seconds > _STUCK_TIMEOUT_SECONDS:
        raise CommandFailed(
            "the rebuild stands still; it goes on by itself: `shelfwise projections status` shows where"
        )
