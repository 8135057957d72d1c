"""`order_list`: one row an order, with its status as it stands."""

from collections.abc import Iterable
from typing import assert_never, cast

import msgspec

from projections.fold import AnyRecorded, Projection
from projections.order_rows import ORDER_EVENTS, OrderEvent, placed_order
from read_side.order_list.view import VIEW, OrderListRow
from shared_kernel.events.orders import (
    GoodsReturned,
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderNeedsAttention,
    OrderPlaced,
    OrderUndoBegun,
)
from shared_kernel.events.payments import PaymentEvent
from shared_kernel.views import Key


def _touches(recorded: AnyRecorded) -> Iterable[tuple[Key, None]]:
    event = cast("OrderEvent", recorded.event)
    if event.order_id is not None:
        yield (event.order_id,), None


def _evolve(row: OrderListRow | None, _part: None, recorded: AnyRecorded) -> OrderListRow:
    event = cast("OrderEvent", recorded.event)
    match event:
        case OrderPlaced():
            return _placed(event, recorded)
        case OrderConfirmed() | OrderFulfilled():
            return _moved_on(placed_order(row, recorded), event)
        case OrderUndoBegun() | OrderNeedsAttention():
            return placed_order(row, recorded)
        case PaymentEvent():
            return msgspec.structs.replace(placed_order(row, recorded), payment_status=event.payment_status)
        case OrderCancelled():
            return msgspec.structs.replace(placed_order(row, recorded), status="cancelled")
        case GoodsReturned():
            listed = placed_order(row, recorded)
            return msgspec.structs.replace(listed, status=event.order_status or listed.status)
        case _:
            assert_never(event)


def _moved_on(row: OrderListRow, event: OrderConfirmed | OrderFulfilled) -> OrderListRow:
    fulfilment = event.fulfilment_status if isinstance(event, OrderFulfilled) else row.fulfilment_status
    return msgspec.structs.replace(row, status=event.status, fulfilment_status=fulfilment)


def _placed(event: OrderPlaced, recorded: AnyRecorded) -> OrderListRow:
    return OrderListRow(
        order_id=event.order_id,
        number=event.number,
        placed_at=recorded.occurred_at,
        status=event.status,
        payment_status="none",
        fulfilment_status="unfulfilled",
        channel=event.channel,
        location_id=event.location_id,
        customer_id=event.customer_id,
        item_count=event.item_count,
        total_minor=event.total_minor,
        currency=event.currency,
    )


PROJECTION = Projection(view=VIEW, handles=ORDER_EVENTS, touches=_touches, evolve=_evolve)
