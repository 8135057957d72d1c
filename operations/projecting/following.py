"""Asking the projector for something, which it alone may do, and following what comes of it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from operations.errors import CommandFailed
from shared_kernel.database.pool import Pool
from shared_kernel.identifiers import new_id

_LOOK_SECONDS = 0.2
_UNSEEN_TIMEOUT_SECONDS = 60.0
"""A living projector looks for requests twice a second; one that has not taken it by now never will."""
_STUCK_TIMEOUT_SECONDS = 600.0
"""Nothing has moved for this long: a tenant waits for a release that can fold its next event, or for a resume."""

Kind = Literal["rebuild", "rollback", "pause", "resume", "cancel", "drop_kept", "retire", "retry", "skip"]

_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7) ON CONFLICT (id) DO NOTHING
"""
_UNDER_WAY = """
SELECT id, requested_by FROM projection.request
WHERE kind = $1 AND (name, version) = ($2, $3) AND only_tenant IS NOT DISTINCT FROM $4
    AND state IN ('requested', 'running') ORDER BY requested_at LIMIT 1
"""
_FOLLOW = """
SELECT state, from_build, to_build, events, error,
    extract(epoch FROM coalesce(finished_at, clock_timestamp())
        - coalesce(started_at, clock_timestamp()))::float8 AS seconds
FROM projection.request WHERE id = $1
"""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, of which projection, in which store (None: in all), by whom, and how."""

    kind: Kind
    name: str
    version: int
    tenant_id: UUID | None
    requested_by: str
    options: Mapping[str, int | str | None] = {}


class UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """The same request, made before and not finished."""

    id: UUID
    requested_by: str


async def under_way(read_pool: Pool, kind: Kind, *, name: str, version: int, tenant_id: UUID | None) -> UnderWay | None:
    """The oldest unfinished request of this kind, projection and store."""
    row = await read_pool.fetchrow(_UNDER_WAY, kind, name, version, tenant_id)
    return None if row is None else UnderWay(**dict(row))


async def ask(read_pool: Pool, request: Request, *, request_id: UUID | None = None) -> UUID:
    """Record the request, for the projector that sees it first; under one id, twice is once.

    Args:
        read_pool: of the operator's role.
        request: what is asked for.
        request_id: where it was chosen before; else a new one.
    """
    request_id = request_id or new_id()
    await read_pool.execute(
        _REQUEST,
        request_id,
        request.kind,
        request.name,
        request.version,
        request.tenant_id,
        msgspec.json.encode(request.options).decode(),
        request.requested_by,
    )
    return request_id


async def follow(read_pool: Pool, request_id: UUID, on_events: Callable[[int], None]) -> asyncpg.Record:
    """What came of it, once it is done.

    Raises:
        CommandFailed: no projector took it, it was refused or cancelled, or it stands still.
    """
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
        if state == "cancelled":
            raise CommandFailed("it was cancelled; stores that had been switched stay so, the others are as they were")
        _refuse_standstill(state, loop.time() - moved_at)
        await asyncio.sleep(_LOOK_SECONDS)


def _refuse_standstill(state: str, still_seconds: float) -> None:
    if state == "requested" and still_seconds > _UNSEEN_TIMEOUT_SECONDS:
        raise CommandFailed("no projector took the request: `shelfwise doctor` says who is at work")
    if still_seconds > _STUCK_TIMEOUT_SECONDS:
        raise CommandFailed("it stands still; it goes on by itself: `shelfwise projections status` shows where")
