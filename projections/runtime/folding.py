"""Folding a batch in memory: from events, rows and parked keys to what must be written. Pure: no I/O, no clock."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Part
from projections.runtime.catalog import AnyProjection
from projections.runtime.codec import StoredRow
from shared_kernel.log.reader import StoredEvent, decode
from shared_kernel.views import Key, encode_key

AnyStoredRow: TypeAlias = StoredRow[Any]  # Any: rows of every view
RowKey: TypeAlias = tuple[UUID, Key]
Touches: TypeAlias = dict[RowKey, list[tuple[Part, AnyRecorded]]]

WHOLE_TENANT = "*"
"""The key under which a tenant is parked for a projection, when it cannot even be said which rows an event touches."""
_MAX_ERROR_LENGTH = 8_000


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What stops one key (or, under `WHOLE_TENANT`, one tenant): where, and why."""

    tenant_id: UUID
    key: str
    position: int
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
        upserts: rows that are new or different, with the position of the last event applied.
        deletes: rows that are no more, with the position of the event that ended them.
        failures: keys that stop here, for the first time.
        queued: positions that wait behind a parked key, whether parked before or just now.
    """

    upserts: dict[RowKey, AnyStoredRow]
    deletes: dict[RowKey, int]
    failures: dict[RowKey, Failure]
    queued: dict[RowKey, list[int]]


def read_events(stored: Iterable[StoredEvent]) -> dict[UUID, TenantEvents]:
    """Decode; a tenant's first event that cannot be read ends its run there, and nobody else's."""
    recorded: dict[UUID, list[AnyRecorded]] = defaultdict(list)
    unreadable: dict[UUID, Failure] = {}
    for one in stored:
        if one.tenant_id in unreadable:
            continue
        try:
            recorded[one.tenant_id].append(decode(one))
        except Exception as error:  # noqa: BLE001 - accounted for: the tenant stops here and the failure is shown
            unreadable[one.tenant_id] = _failure(one.tenant_id, WHOLE_TENANT, one.position, error)
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
    rows: Mapping[RowKey, AnyStoredRow],
    is_parked: Callable[[UUID, Key], bool],
) -> Changes:
    """Evolve every touched row through its parts in log order.

    A key whose fold fails stops at the event before; what follows it, and all of a parked key's events, is queued.
    """
    changes = Changes(upserts={}, deletes={}, failures={}, queued={})
    for row_key, parts in touches.items():
        if is_parked(*row_key):
            changes.queued[row_key] = [recorded.position for _, recorded in parts]
        else:
            _fold_row(projection, row_key, parts, rows.get(row_key), changes)
    return changes


def _scan_tenant(projection: AnyProjection, run: TenantEvents, after: int, touches: Touches) -> Failure | None:
    handles = projection.handles
    for recorded in run.recorded:
        if recorded.position <= after or type(recorded.event) not in handles:
            continue
        try:
            found = list(projection.touches(recorded))
        except Exception as error:  # noqa: BLE001 - accounted for: the tenant stops here and the failure is shown
            return _failure(run.tenant_id, WHOLE_TENANT, recorded.position, error)
        for key, part in found:
            touches.setdefault((run.tenant_id, key), []).append((part, recorded))
    return None


def _fold_row(
    projection: AnyProjection,
    row_key: RowKey,
    parts: list[tuple[Part, AnyRecorded]],
    before: AnyStoredRow | None,
    changes: Changes,
) -> None:
    row = before.row if before is not None else None
    position = before.position if before is not None else 0
    for index, (part, recorded) in enumerate(parts):
        try:
            row = projection.evolve(row, part, recorded)
        except Exception as error:  # noqa: BLE001 - accounted for: the key is parked and the failure is shown
            tenant_id, key = row_key
            changes.failures[row_key] = _failure(tenant_id, encode_key(key), recorded.position, error)
            changes.queued[row_key] = [later.position for _, later in parts[index:]]
            break
        position = recorded.position
    _note(changes, row_key, before, row, position)


def _note(changes: Changes, row_key: RowKey, before: AnyStoredRow | None, row: Any, position: int) -> None:  # noqa: ANN401 - a row of any view
    if row is None:
        if before is not None:
            changes.deletes[row_key] = position
    elif before is None or row != before.row:
        changes.upserts[row_key] = StoredRow(row=row, position=position)


def _failure(tenant_id: UUID, key: str, position: int, error: Exception) -> Failure:
    text = describe(error)
    return Failure(tenant_id=tenant_id, key=key, position=position, error=text)


def describe(error: BaseException) -> str:
    """Type, message and where it was raised; no values of the event, which may be a store's business."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else ""
    return f"{type(error).__name__}{where}: {error}".replace("\0", "")[:_MAX_ERROR_LENGTH]
