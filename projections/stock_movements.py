"""The fold of `stock_movements`: an event, a row."""

from collections.abc import Iterable
from typing import assert_never, cast, get_args
from uuid import UUID

from projections.fold import AnyRecorded, Part, Projection
from projections.stock_levels import StockChange
from read_side.stock_movements.view import VIEW, StockMovement
from shared_kernel.events.inventory import (
    StockAdjusted,
    StockCounted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSetAside,
    StockSetFree,
    StockShipped,
    StockTransferred,
    StockWrittenOff,
)
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """A row of the event's own."""
    event = cast("StockChange", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((recorded.event_id,), event)]


def evolve(_row: StockMovement | None, event: StockChange, recorded: AnyRecorded) -> StockMovement:
    """The movement, as the event tells it."""
    return StockMovement(
        id=recorded.event_id,
        at=recorded.occurred_at,
        edition_id=event.edition_id,
        location_id=event.location_id,
        kind=event.movement,
        delta=event.delta,
        reserved_delta=event.reserved_delta,
        on_hand=event.on_hand,
        reserved=event.reserved,
        reference_id=_reference(event),
        reason=_reason(event),
        actor=recorded.metadata.actor,
    )


def _reason(event: StockChange) -> str | None:
    match event:
        case StockAdjusted():
            return event.reason
        case StockWrittenOff():
            return event.disposition
        case _:
            return None


def _reference(event: StockChange) -> UUID | None:
    match event:
        case StockReceived():
            return event.receipt_id
        case StockTransferred():
            return event.transfer_id
        case StockReserved() | StockReleased() | StockShipped():
            return event.order_id
        case StockSetAside() | StockSetFree():
            return event.hold_id
        case StockReturned() | StockWrittenOff():
            return event.return_id
        case StockAdjusted() | StockCounted():
            return None
        case _:
            assert_never(event)


PROJECTION = Projection(view=VIEW, handles=frozenset(get_args(StockChange)), touches=touches, evolve=evolve)
