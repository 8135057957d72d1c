"""Views as of a position or a moment: which build holds them, and what is said where none does."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec

from read_side.query_execution.errors import SnapshotBuildingError, SnapshotUnknownError
from read_side.query_execution.parameters import AS_OF, query_pairs
from read_side.query_execution.requests import QueryRequest
from shared_kernel.database.pool import Connection
from shared_kernel.errors import FieldError, InvalidError
from shared_kernel.redis.state import ProjectionState
from shared_kernel.views import View

AsOf: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53)] | datetime
"""A position of the tenant's log, or a moment: as the snapshot was asked for."""

# What expires is taken away by the projector some moments later.
_BUILD: Final = """
SELECT c.build, c.revision, c.position, c.as_of, c.parked, c.rows, f.position AS target
FROM projection.frozen_build f JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE f.tenant_id = $1 AND f.name = $2 AND f.version = $3 AND (f.position = $4 OR f.as_of = $5)
    AND f.expires_at > clock_timestamp()
ORDER BY c.position < f.position, f.expires_at DESC LIMIT 1
"""
_PROGRESS: Final = """
SELECT f.name, c.position FROM projection.frozen_build f
JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE f.tenant_id = $1 AND f.snapshot_id = $2 ORDER BY f.name
"""
_RETRY_SECONDS: Final = 2


class BuildProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one view of a snapshot is."""

    name: str
    position: int


def parse_as_of(text: str) -> AsOf:
    """A position or an RFC 3339 time with its offset.

    Raises:
        ValueError: it is neither.
    """
    if text.isascii() and text.isdigit() and len(text) <= len(str(2**53)):
        return int(text)
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ValueError("a position of the log, or a time with its offset from UTC") from None
    if moment.tzinfo is None:
        raise ValueError("a time with its offset from UTC, such as 2026-01-31T00:00:00Z")
    return moment.astimezone(UTC)


def asked_as_of(request: QueryRequest) -> AsOf | None:
    """What `as_of` says, on a route that has it.

    Raises:
        InvalidError: it is neither a position nor a time.
    """
    query_string: bytes = request.scope["query_string"]
    may_be_asked = AS_OF.encode() in query_string or b"%" in query_string  # a name may be percent-encoded, too
    if not may_be_asked or not request.route_handler.opt.get(AS_OF):
        return None
    text = dict(query_pairs(request)).get(AS_OF)
    try:
        return None if text is None else parse_as_of(text)
    except ValueError as error:
        fault = FieldError(pointer=AS_OF, code="invalid", detail=f"{error}")
        raise InvalidError("the query string is not valid: see errors", errors=(fault,)) from error


async def frozen_state(connection: Connection, tenant_id: UUID, view: View[Any], as_of: AsOf) -> ProjectionState:
    """The state of the build that shows a view as of then.

    Raises:
        SnapshotUnknownError: nobody has asked for it, or it has expired.
        SnapshotBuildingError: it is not ready yet.
    """
    position, moment = (as_of, None) if isinstance(as_of, int) else (None, as_of)
    record = await connection.fetchrow(_BUILD, tenant_id, view.name, view.version, position, moment)
    if record is None:
        raise SnapshotUnknownError(
            f"there is no snapshot of {view.name} as of then, or it has expired: ask for one with POST /snapshots"
        )
    values = dict(record)
    target: int = values.pop("target")
    if values["position"] < target:
        raise SnapshotBuildingError(
            f"the snapshot is being built, {values['position']} of {target} events so far; try again",
            retry_after_seconds=_RETRY_SECONDS,
        )
    return ProjectionState(**values)


async def progress_of(connection: Connection, tenant_id: UUID, snapshot_id: UUID) -> tuple[BuildProgress, ...]:
    """How far the views of a snapshot are; those that have not been begun are not there."""
    return tuple(BuildProgress(**dict(row)) for row in await connection.fetch(_PROGRESS, tenant_id, snapshot_id))
