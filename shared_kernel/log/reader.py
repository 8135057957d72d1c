"""Reading the log: many tenants' next events in one query, each with its own bound."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.events.envelope import Event, Metadata, Recorded
from shared_kernel.events.registry import decode_payload


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one tenant after a position, at most `limit`, none past `until` where given."""

    tenant_id: UUID
    after: int
    limit: int
    until: int | None = None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the log holds it, its payload not yet read: one that cannot be read must not stop the others."""

    tenant_id: UUID
    position: int
    event_id: UUID
    stream_id: UUID
    stream_version: int
    type: str
    schema_version: int
    payload: str
    metadata: str
    occurred_at: datetime
    recorded_at: datetime


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's last position and when it was recorded."""

    tenant_id: UUID
    shard: int
    position: int
    recorded_at: datetime


_COLUMNS = (
    "e.tenant_id, e.position, e.event_id, e.stream_id, e.stream_version, e.type, e.schema_version, "
    "e.payload::text AS payload, e.metadata::text AS metadata, e.occurred_at, e.recorded_at"
)
_FETCH = f"""
SELECT {_COLUMNS}
FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::bigint[]) AS want(tenant_id, after, take, until)
CROSS JOIN LATERAL (
    SELECT * FROM log.event
    WHERE event.tenant_id = want.tenant_id AND event.position > want.after AND event.position <= want.until
    ORDER BY event.position LIMIT want.take
) e
ORDER BY e.tenant_id, e.position
"""  # noqa: S608 - a constant of this module, no input
_HEADS_OF_SHARDS = """
SELECT tenant_id, shard, position, recorded_at FROM log.tenant_head WHERE shard = ANY($1::smallint[])
"""
_FETCH_TYPES = f"""
SELECT {_COLUMNS} FROM log.event e
WHERE e.tenant_id = $1 AND e.position > $2 AND e.position <= $3 AND e.type = ANY($5::text[])
ORDER BY e.position LIMIT $4
"""  # noqa: S608 - a constant of this module, no input
_FETCH_POSITIONS = f"""
SELECT {_COLUMNS} FROM log.event e WHERE e.tenant_id = $1 AND e.position = ANY($2::bigint[]) ORDER BY e.position
"""  # noqa: S608 - a constant of this module, no input
_NO_BOUND = 2**63 - 1
_metadata_decoder = msgspec.json.Decoder(Metadata)


async def fetch(connection: Connection, wants: Sequence[Want]) -> list[StoredEvent]:
    """What each want asks for, ordered by tenant and position. One round trip."""
    rows = await connection.fetch(
        _FETCH,
        [want.tenant_id for want in wants],
        [want.after for want in wants],
        [want.limit for want in wants],
        [_NO_BOUND if want.until is None else want.until for want in wants],
    )
    return [StoredEvent(**dict(row)) for row in rows]


async def fetch_types(connection: Connection, want: Want, types: Sequence[str]) -> list[StoredEvent]:
    """What the want asks for, of these event types only. One round trip."""
    until = _NO_BOUND if want.until is None else want.until
    rows = await connection.fetch(_FETCH_TYPES, want.tenant_id, want.after, until, want.limit, list(types))
    return [StoredEvent(**dict(row)) for row in rows]


async def heads(connection: Connection, shards: Iterable[int]) -> list[Head]:
    """The head of every tenant of these shards. One round trip."""
    rows = await connection.fetch(_HEADS_OF_SHARDS, list(shards))
    return [Head(**dict(row)) for row in rows]


def decode(stored: StoredEvent) -> Recorded[Event]:
    """The typed event.

    Raises:
        UnknownEventError: this release does not know it.
        msgspec.ValidationError: its payload or metadata has another shape.
    """
    return Recorded(
        tenant_id=stored.tenant_id,
        position=stored.position,
        event_id=stored.event_id,
        stream_id=stored.stream_id,
        stream_version=stored.stream_version,
        event=decode_payload(stored.type, stored.schema_version, stored.payload),
        metadata=_metadata_decoder.decode(stored.metadata),
        occurred_at=stored.occurred_at,
        recorded_at=stored.recorded_at,
    )


async def fetch_positions(connection: Connection, tenant_id: UUID, positions: Sequence[int]) -> list[StoredEvent]:
    """Single events of one tenant, in order of position. One round trip."""
    rows = await connection.fetch(_FETCH_POSITIONS, tenant_id, list(positions))
    return [StoredEvent(**dict(row)) for row in rows]
