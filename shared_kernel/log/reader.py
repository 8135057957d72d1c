"""Reading the log: many tenants' next events in one query, each with its own bound.

What has been archived is read from its files, by the same functions: positions have no gaps, so rows that begin later
than they should say that what is before them lies elsewhere. Whoever reads near the head pays nothing for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.events.envelope import Event, Metadata, Recorded
from shared_kernel.events.registry import decode_payload
from shared_kernel.log.archive.errors import LogBrokenError
from shared_kernel.log.archive.reading import read_archived, read_archived_positions
from shared_kernel.log.stored import StoredEvent, Want

__all__ = ["Head", "StoredEvent", "Want", "decode", "fetch", "fetch_positions", "fetch_types", "heads"]


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
# Counted in the primary key's index, beside rows of which every one was looked at for its type.
_WHOLE = """
SELECT (SELECT coalesce(max(a.to_position), 0) FROM log.archive a
        WHERE a.tenant_id = $1 AND a.removed_at IS NOT NULL) AS archived,
    (SELECT count(*) FROM log.event e WHERE e.tenant_id = $1 AND e.position > $2 AND e.position <= b.reached) AS stored,
    b.reached - $2 AS due
FROM (SELECT least($3, coalesce((SELECT h.position FROM log.tenant_head h WHERE h.tenant_id = $1), 0)) AS reached) b
"""
_FIRST_MISSING = """
SELECT coalesce(min(e.due) FILTER (WHERE e.position <> e.due), $2 + count(*) + 1) FROM (
    SELECT position, $2 + row_number() OVER (ORDER BY position) AS due FROM log.event
    WHERE tenant_id = $1 AND position > $2 AND position <= $3) e
"""
_FETCH_POSITIONS = f"""
SELECT {_COLUMNS} FROM log.event e WHERE e.tenant_id = $1 AND e.position = ANY($2::bigint[]) ORDER BY e.position
"""  # noqa: S608 - a constant of this module, no input
assert [part.split(" ")[-1].removeprefix("e.") for part in _COLUMNS.split(", ")] == list(
    StoredEvent.__struct_fields__
), "an event is made of a row's values as they come"
_NO_BOUND = 2**63 - 1
_MOST_SEAMS = 10
"""How often the archive may have grown past what was just read of it: once would be a coincidence."""
_metadata_decoder = msgspec.json.Decoder(Metadata)


async def fetch(connection: Connection, wants: Sequence[Want]) -> list[StoredEvent]:
    """What each want asks for, ordered by tenant and position. One round trip, unless some of it is in the archive.

    A tenant's events never skip a position: where one is missing they end before it, and the next want, which begins
    with it, finds it in the archive or is told that the log is broken.

    Args:
        connection: of the write database.
        wants: one a tenant.

    Raises:
        ArchiveUnreadableError: some of it is in an archive file that is missing or wrong.
        LogBrokenError: what some want begins with is nowhere.
    """
    rows = await _from_table(connection, wants)
    by_tenant: dict[UUID, list[StoredEvent]] = defaultdict(list)
    for row in rows:
        by_tenant[row.tenant_id].append(row)
    archived = [want for want in wants if _begins_in_archive(want, by_tenant[want.tenant_id])]
    if not archived and all(_is_contiguous(events) for events in by_tenant.values()):
        return rows
    for want in archived:
        by_tenant[want.tenant_id] = await _across(connection, want)
    return [row for tenant_id in sorted(by_tenant) for row in _up_to_gap(by_tenant[tenant_id])]


async def fetch_types(connection: Connection, want: Want, types: Sequence[str]) -> list[StoredEvent]:
    """What the want asks for, of these event types only, none of them from behind a gap.

    Raises:
        ArchiveUnreadableError: some of it is in an archive file that is missing or wrong.
        LogBrokenError: some event, of whatever type, is nowhere.
    """
    events: list[StoredEvent] = []
    after = want.after
    for _ in range(_MOST_SEAMS):
        rest = msgspec.structs.replace(want, after=after, limit=want.limit - len(events))
        rows = await _types_from_table(connection, rest, types)
        # Asked after the rows: what had left the table when they were read is in the archive now.
        if not await _reaches_into_archive(connection, rest, rows):
            return events + rows
        part = await read_archived(connection, rest, types=types)
        events += part.events
        after = part.reached
        if len(events) == want.limit or (want.until is not None and after >= want.until):
            return events
    raise LogBrokenError(after + 1)


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
    """Single events of one tenant, in order of position. One round trip, unless some of them are in the archive.

    Raises:
        ArchiveUnreadableError: some are in an archive file that is missing or wrong.
        LogBrokenError: some are nowhere.
    """
    rows = await connection.fetch(_FETCH_POSITIONS, tenant_id, list(positions))
    found = {row["position"]: StoredEvent(*row) for row in rows}
    missing = [position for position in positions if position not in found]
    if missing:
        archived = await read_archived_positions(connection, tenant_id, missing)
        found |= {event.position: event for event in archived}
    for position in missing:
        if position not in found:
            raise LogBrokenError(position)
    return [found[position] for position in sorted(found)]


async def _from_table(connection: Connection, wants: Sequence[Want]) -> list[StoredEvent]:
    rows = await connection.fetch(
        _FETCH,
        [want.tenant_id for want in wants],
        [want.after for want in wants],
        [want.limit for want in wants],
        [_NO_BOUND if want.until is None else want.until for want in wants],
    )
    return [StoredEvent(*row) for row in rows]


async def _types_from_table(connection: Connection, want: Want, types: Sequence[str]) -> list[StoredEvent]:
    until = _NO_BOUND if want.until is None else want.until
    rows = await connection.fetch(_FETCH_TYPES, want.tenant_id, want.after, until, want.limit, list(types))
    return [StoredEvent(*row) for row in rows]


async def _reaches_into_archive(connection: Connection, want: Want, rows: Sequence[StoredEvent]) -> bool:
    """Whether some of what the want passed over on the way to its rows is in the archive.

    Raises:
        LogBrokenError: none of it is, and the table has gaps there.
    """
    until = _NO_BOUND if want.until is None else want.until
    reached = rows[-1].position if len(rows) == want.limit and rows else until
    found = await connection.fetchrow(_WHOLE, want.tenant_id, want.after, reached)
    if found["archived"] > want.after:
        return True
    if found["stored"] < found["due"]:
        raise LogBrokenError(await connection.fetchval(_FIRST_MISSING, want.tenant_id, want.after, reached))
    return False


def _begins_in_archive(want: Want, rows: Sequence[StoredEvent]) -> bool:
    """Whether the table's rows begin too late. Without a bound none means none: a log's end is never archived."""
    if rows:
        return rows[0].position > want.after + 1
    return want.until is not None and want.until > want.after and want.limit > 0


def _is_contiguous(events: Sequence[StoredEvent]) -> bool:
    """Whether no position is missing among events that are in order, each position once."""
    return not events or events[-1].position - events[0].position == len(events) - 1


def _up_to_gap(events: list[StoredEvent]) -> list[StoredEvent]:
    if _is_contiguous(events):
        return events
    first = events[0].position
    return [event for number, event in enumerate(events) if event.position == first + number]


async def _across(connection: Connection, want: Want) -> list[StoredEvent]:
    """The archive's part of a want, then the table's; the archive may grow meanwhile: the seam is looked at again."""
    events: list[StoredEvent] = []
    after = want.after
    for _ in range(_MOST_SEAMS):
        rest = msgspec.structs.replace(want, after=after, limit=want.limit - len(events))
        part = await read_archived(connection, rest)
        events += part.events
        if len(events) == want.limit or (want.until is not None and part.reached >= want.until):
            return events
        rest = msgspec.structs.replace(rest, after=part.reached, limit=want.limit - len(events))
        rows = await _from_table(connection, [rest])
        if not rows or rows[0].position == part.reached + 1:
            return events + rows
        if part.reached == after:
            break
        after = part.reached
    raise LogBrokenError(after + 1)
