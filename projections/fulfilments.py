"""The fold of `fulfilments`: an event, a row."""

from collections.abc import Iterable

from projections.fold import AnyRecorded, Projection
from read_side.fulfilments.view import VIEW, FulfilmentRow, LeftLine
from shared_kernel.events.orders import OrderFulfilled
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, OrderFulfilled]]:
    """A row of the fulfilment's own."""
    event = recorded.event
    assert isinstance(event, OrderFulfilled), "the runtime hands over what PROJECTION.handles lists"
    return [((event.fulfilment_id,), event)]


def evolve(_row: FulfilmentRow | None, event: OrderFulfilled, recorded: AnyRecorded) -> FulfilmentRow:
    """What left, as the event tells it."""
    return FulfilmentRow(
        fulfilment_id=event.fulfilment_id,
        order_id=event.order_id,
        order_number=event.number,
        at=recorded.occurred_at,
        location_id=event.location_id,
        method=event.method,
        item_count=sum(line.quantity for line in event.lines),
        lines=tuple(
            LeftLine(line_id=line.line_id, edition_id=line.edition_id, quantity=line.quantity) for line in event.lines
        ),
    )


PROJECTION = Projection(view=VIEW, handles=frozenset({OrderFulfilled}), touches=touches, evolve=evolve)
