"""Folding a batch in memory: from events, rows and parked keys to what must be written. Pure: no I/O, no clock."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Part
from projections.runtime.catalog import AnyProjection
from projections.runtime.codec import StoredRow
from projections.runtime.describing import describe, storable
from shared_kernel.events.envelope import Event, Metadata, Recorded, StoreTime
from shared_kernel.log.reader import StoredEvent, decode
from shared_kernel.views import WHOLE_TENANT, Key, encode_key

AnyStoredRow: TypeAlias = StoredRow[Any]  # Any: rows of every view
RowKey: TypeAlias = tuple[UUID, Key]
Touches: TypeAlias = dict[RowKey, list[tuple[Part, AnyRecorded]]]

_MAX_KEY_BYTES = 1_000
"""What an index of parked keys takes in any case."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What stops one key (or, under `WHOLE_TENANT`, one tenant): where, and why."""

    tenant_id: UUID
    key: str
    position: int
    error: str


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A row that stands in the table in a shape this release cannot read."""

    error: str


class TenantEvents(msgspec.Struct, frozen=True, kw_only=True):
    """A run of one tenant's events, read as far as this release can read them."""

    tenant_id: UUID
    recorded: tuple[AnyRecorded, ...]
    unreadable: Failure | None


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows a batch touches in one build, and how far each tenant can be taken.

    Attributes:
        touches: by row, the parts in log order.
        stopped: tenants that cannot be taken to the batch's end, by the failure that stops them.
    """

    touches: Touches
    stopped: dict[UUID, Failure]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What folding came to.

    Attributes:
        upserts: rows that are new or different, with the position of the last event applied; of sums that were folded
            from nothing, to be added to what stands, this batch's own part.
        deletes: rows that are no more, with the position of the event that ended them.
        bodies: of those upserts whose view goes to Redis, what goes there.
        failures: keys that stop here, for the first time.
        queued: positions that wait behind a parked key, whether parked before or just now.
    """

    upserts: dict[RowKey, AnyStoredRow]
    deletes: dict[RowKey, int]
    bodies: dict[RowKey, bytes]
    failures: dict[RowKey, Failure]
    queued: dict[RowKey, list[int]]

    def park(self, row_key: RowKey, positions: list[int], error: str) -> None:
        """The key stops before the first of these positions, and all of them wait."""
        tenant_id, key = row_key
        self.failures[row_key] = Failure(tenant_id=tenant_id, key=key_name(key), position=positions[0], error=error)
        self.queued[row_key] = positions


def no_changes() -> Changes:
    """What folding nothing comes to."""
    return Changes(upserts={}, deletes={}, bodies={}, failures={}, queued={})


class Unread(Event, frozen=True, kw_only=True):
    """In the place of an event that no row shall show: nobody handles it, so it only moves checkpoints."""

    stream_type: ClassVar[str] = "unread"


def read_events(stored: Iterable[StoredEvent], unread: Collection[tuple[UUID, int]] = ()) -> dict[UUID, TenantEvents]:
    """Decode; a tenant's first event that cannot be read ends its run there, and nobody else's.

    Args:
        stored: ordered by tenant and position.
        unread: events (tenant, position) that were skipped for good and need not be legible.
    """
    recorded: dict[UUID, list[AnyRecorded]] = defaultdict(list)
    unreadable: dict[UUID, Failure] = {}
    for one in stored:
        if one.tenant_id in unreadable:
            continue
        try:
            is_read = not unread or (one.tenant_id, one.position) not in unread
            recorded[one.tenant_id].append(decode(one) if is_read else _unread(one))
        except Exception as error:  # noqa: BLE001 - accounted for: the tenant stops here and the failure is shown
            unreadable[one.tenant_id] = _failure(one.tenant_id, one.position, error)
    return {
        tenant: TenantEvents(
            tenant_id=tenant, recorded=tuple(recorded.get(tenant, ())), unreadable=unreadable.get(tenant)
        )
        for tenant in recorded.keys() | unreadable.keys()
    }


def scan(projection: AnyProjection, events: Iterable[TenantEvents], after: Mapping[UUID, int]) -> Scan:
    """Which rows the events past each tenant's position touch.

    Args:
        projection: whose `touches` says it.
        events: runs of tenants; those absent from `after` are passed over.
        after: each tenant's checkpoint in this build.
    """
    touches: Touches = {}
    stopped: dict[UUID, Failure] = {}
    for run in events:
        if run.tenant_id not in after:
            continue
        failure = _scan_tenant(projection, run, after[run.tenant_id], touches) or run.unreadable
        if failure is not None:
            stopped[run.tenant_id] = failure
    return Scan(touches=touches, stopped=stopped)


def fold(
    projection: AnyProjection,
    touches: Touches,
    rows: Mapping[RowKey, AnyStoredRow | Unreadable],
    is_parked: Callable[[UUID, Key], bool],
) -> Changes:
    """Evolve every touched row through its parts in log order.

    A key whose fold fails stops at the event before; what follows it, and all of a parked key's events, is queued. A
    row's position is that of the last event that changed it, so that it does not depend on where batches end; of a row
    of sums every part counts as a change.
    """
    changes = no_changes()
    for row_key, parts in touches.items():
        before = rows.get(row_key)
        if is_parked(*row_key):
            changes.queued[row_key] = [recorded.position for _, recorded in parts]
        elif isinstance(before, Unreadable):
            changes.park(row_key, [recorded.position for _, recorded in parts], before.error)
        else:
            _fold_row(projection, row_key, parts, before=before, changes=changes)
    return changes


def _scan_tenant(projection: AnyProjection, run: TenantEvents, after: int, touches: Touches) -> Failure | None:
    handles = projection.handles
    key_length = len(projection.view.key)
    for recorded in run.recorded:
        if recorded.position <= after or type(recorded.event) not in handles:
            continue
        try:
            found = [((run.tenant_id, _checked(key, key_length)), part) for key, part in projection.touches(recorded)]
        except Exception as error:  # noqa: BLE001 - accounted for: the tenant stops here and the failure is shown
            return _failure(run.tenant_id, recorded.position, error)
        for row_key, part in found:
            touches.setdefault(row_key, []).append((part, recorded))
    return None


def _checked(key: Key, length: int) -> Key:
    if len(key) != length:
        message = f"a key of {length} columns is a tuple of as many values"
        raise TypeError(message)
    hash(key)
    return key


def _fold_row(
    projection: AnyProjection,
    row_key: RowKey,
    parts: list[tuple[Part, AnyRecorded]],
    *,
    before: AnyStoredRow | None,
    changes: Changes,
) -> None:
    row = before.row if before is not None else None
    position = before_position = before.position if before is not None else 0
    for index, (part, recorded) in enumerate(parts):
        try:
            after = projection.evolve(row, part, recorded)
        except Exception as error:  # noqa: BLE001 - accounted for: the key is parked and the failure is shown
            changes.park(row_key, [later.position for _, later in parts[index:]], describe(error))
            break
        if after != row or projection.sums is not None:
            row, position = after, recorded.position
    if position == before_position:
        return
    if row is not None:
        _note_upsert(projection, row_key, parts, stored=StoredRow(row=row, position=position), changes=changes)
    elif before is not None:
        changes.deletes[row_key] = position


def _note_upsert(
    projection: AnyProjection,
    row_key: RowKey,
    parts: list[tuple[Part, AnyRecorded]],
    *,
    stored: AnyStoredRow,
    changes: Changes,
) -> None:
    if projection.view.body is not None:
        try:
            changes.bodies[row_key] = projection.view.body(stored.row)
        except Exception as error:  # noqa: BLE001 - accounted for: the key is parked and the failure is shown
            changes.park(row_key, [recorded.position for _, recorded in parts], describe(error))
            return
    changes.upserts[row_key] = stored


def _failure(tenant_id: UUID, position: int, error: Exception) -> Failure:
    return Failure(tenant_id=tenant_id, key=WHOLE_TENANT, position=position, error=describe(error))


def key_name(key: Key) -> str:
    """What parked keys call a key: its text, or the beginning of it and a digest where it is too long for an index."""
    return name_of(encode_key(key))


def name_of(key_text: str) -> str:
    """The same, of a key as `encode_key` writes it."""
    text = storable(key_text)
    if text == WHOLE_TENANT:
        return f"\\{WHOLE_TENANT}"
    encoded = text.encode()
    if len(encoded) <= _MAX_KEY_BYTES:
        return text
    return f"{encoded[: _MAX_KEY_BYTES - 100].decode(errors='ignore')}…{sha256(encoded).hexdigest()}"


def _unread(stored: StoredEvent) -> AnyRecorded:
    at = stored.recorded_at
    time = StoreTime(date=at.date(), hour=at.hour, utc_offset_minutes=0)
    return Recorded(
        tenant_id=stored.tenant_id,
        position=stored.position,
        event_id=stored.event_id,
        stream_id=stored.stream_id,
        stream_version=stored.stream_version,
        event=Unread(),
        metadata=Metadata(actor="skipped", store_time=time),
        occurred_at=stored.occurred_at,
        recorded_at=at,
    )
