"""`projections rebuild`: ask for it as an operator, follow it, verify what came of it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import UUID

import msgspec

from operations.errors import CommandFailed
from operations.in_house import pool_as
from operations.projecting.following import Request, UnderWay, ask, follow, under_way
from operations.projecting.operator import at_the_command_line
from operations.projecting.task import somebody_projects
from operations.projecting.verifying import verify_projection
from operations.servers.installation import Installation
from shared_kernel.database.pool import Pool
from shared_kernel.database.roles import DatabaseRole

_LOOK_SECONDS = 0.2
_UNSEEN_TIMEOUT_SECONDS = 60.0
"""A living projector sees every store within seconds."""

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
    installation: Installation,
    request: RebuildRequest,
    *,
    on_progress: Callable[[int, int], None],
    on_running: Callable[[UnderWay], None],
) -> Rebuilt:
    """Have a projection rebuilt beside the live one, or follow who does so already, and verify it.

    Args:
        installation: whose projection.
        request: what to rebuild.
        on_progress: is told events folded, of how many.
        on_running: is told of the same request where somebody has made it before.

    Raises:
        CommandFailed: no projector took the request, or it failed.
    """
    async with AsyncExitStack() as stack:
        write_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=False, size=1))
        read_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1))
        await stack.enter_async_context(somebody_projects(installation))
        await _wait_for_a_live_build(write_pool, read_pool, request)
        expected = await write_pool.fetchval(_EVENTS, request.tenant_id)
        running = await under_way(
            read_pool, "rebuild", name=request.name, version=request.version, tenant_id=request.tenant_id
        )
        if running is None:
            request_id = await ask_rebuild(read_pool, request, requested_by=at_the_command_line())
        else:
            request_id = running.id
            on_running(running)
        done = await follow(read_pool, request_id, lambda events: on_progress(events, max(events, expected)))
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
    asked = Request(
        kind="rebuild",
        name=request.name,
        version=request.version,
        tenant_id=request.tenant_id,
        requested_by=requested_by,
        options={"rate": request.rate, "keep_old": request.keep_old},
    )
    return await ask(read_pool, asked, request_id=request_id)


async def _wait_for_a_live_build(write_pool: Pool, read_pool: Pool, request: RebuildRequest) -> None:
    """A store that no projector has seen yet has nothing to rebuild: let it be seen first."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _UNSEEN_TIMEOUT_SECONDS
    stores = await write_pool.fetchval(_STORES, request.tenant_id)
    while await read_pool.fetchval(_SEEN, request.name, request.version, request.tenant_id) < stores:
        if loop.time() > deadline:
            raise CommandFailed("no projector has seen every store: `shelfwise doctor` says who is at work")
        await asyncio.sleep(_LOOK_SECONDS)
