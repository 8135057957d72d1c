"""Operators' requests as they stand: what was asked for, by whom, and how far the projector is with it."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Pool
from shared_kernel.errors import NotFoundError

_SELECT = """
SELECT r.id, r.kind, r.name, r.version, r.only_tenant, r.state, r.events, r.requested_by, r.requested_at, r.started_at,
    r.finished_at, r.from_build, r.to_build, r.error, coalesce(c.tenants, 0) AS tenants,
    coalesce(c.cut_over, 0) AS cut_over
FROM projection.request r LEFT JOIN LATERAL (
    SELECT count(*) AS tenants, count(*) FILTER (WHERE c.mode <> 'building') AS cut_over
    FROM projection.checkpoint c WHERE (c.name, c.version, c.build) = (r.name, r.version, r.to_build)
) c ON r.to_build IS NOT NULL
"""
_RECENT = f"{_SELECT} ORDER BY r.requested_at DESC LIMIT $1"
_ONE = f"{_SELECT} WHERE r.id = $1"
_EVENTS = "SELECT coalesce(sum(position), 0)::bigint FROM log.tenant_head WHERE $1::uuid IS NULL OR tenant_id = $1"


class UnknownRequest(NotFoundError):
    """Nobody asked for that (404)."""

    code = "unknown_request"


class RequestStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        state: `requested`, `running`, `done` or `failed`.
        events: folded so far, of `events_expected` where that can be known.
        tenants: that it concerns, of which `cut_over` are read from the new build.
    """

    id: UUID
    kind: str
    name: str
    version: int
    only_tenant: UUID | None
    state: str
    events: int
    events_expected: int | None = None
    tenants: int
    cut_over: int
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    from_build: int | None
    to_build: int | None
    error: str | None


async def recent_requests(write_pool: Pool, read_pool: Pool, *, limit: int = 20) -> tuple[RequestStatus, ...]:
    """The newest first; pools are of the operator's role."""
    found = [RequestStatus(**dict(row)) for row in await read_pool.fetch(_RECENT, limit)]
    return tuple([await _expecting(write_pool, one) for one in found])


async def request_status(write_pool: Pool, read_pool: Pool, request_id: UUID) -> RequestStatus:
    """One request.

    Raises:
        UnknownRequest: there is none with this id.
    """
    row = await read_pool.fetchrow(_ONE, request_id)
    if row is None:
        raise UnknownRequest(f"there is no request {request_id}")
    return await _expecting(write_pool, RequestStatus(**dict(row)))


async def _expecting(write_pool: Pool, request: RequestStatus) -> RequestStatus:
    if request.kind != "rebuild" or request.state in {"done", "failed"}:
        return request
    expected = await write_pool.fetchval(_EVENTS, request.only_tenant)
    return msgspec.structs.replace(request, events_expected=max(expected, request.events))
