"""The fold of `holds`: one row a hold or special order, as it stands."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never, cast, get_args

import msgspec

from projections.fold import AnyRecorded, Projection
from read_side.holds.view import VIEW, HoldRow
from shared_kernel.events.holds import HoldAllocated, HoldEnded, HoldPlaced
from shared_kernel.views import Key

HoldEvent: TypeAlias = HoldPlaced | HoldAllocated | HoldEnded


class HoldNeverPlacedError(LookupError):
    """A hold's event came without the one that placed it: the log is damaged or that event was skipped."""


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, HoldEvent]]:
    """The hold's row."""
    event = cast("HoldEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.hold_id,), event)]


def evolve(row: HoldRow | None, event: HoldEvent, recorded: AnyRecorded) -> HoldRow:
    """The hold after the event."""
    match event:
        case HoldPlaced():
            return HoldRow(
                hold_id=event.hold_id,
                hold_version=recorded.stream_version,
                kind=event.kind,
                status=event.status,
                location_id=event.location_id,
                edition_id=event.edition_id,
                quantity=event.quantity,
                allocated=event.allocated,
                placed_at=recorded.occurred_at,
                order_id=None,
                expires_at=event.expires_at,
            )
        case HoldAllocated():
            return msgspec.structs.replace(
                _known(row, recorded),
                hold_version=recorded.stream_version,
                status=event.status,
                allocated=event.allocated,
            )
        case HoldEnded():
            return msgspec.structs.replace(
                _known(row, recorded),
                hold_version=recorded.stream_version,
                status=event.status,
                allocated=0,
                order_id=event.order_id,
            )
        case _:
            assert_never(event)


def _known(row: HoldRow | None, recorded: AnyRecorded) -> HoldRow:
    if row is None:
        raise HoldNeverPlacedError(f"{type(recorded.event).__name__} at {recorded.position} is of a hold not placed")
    return row


PROJECTION = Projection(view=VIEW, handles=frozenset(get_args(HoldEvent)), touches=touches, evolve=evolve)
