"""What the two projections with a row per order share: the events they fold and the row that must be there."""

from typing import TypeAlias, TypeVar

from projections.fold import AnyRecorded
from shared_kernel.events.envelope import Event
from shared_kernel.events.orders import (
    GoodsReturned,
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderNeedsAttention,
    OrderPlaced,
    OrderUndoBegun,
)
from shared_kernel.events.payments import (
    PaymentAbandoned,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentEvent,
    PaymentRefunded,
    PaymentRequested,
    PaymentVoided,
    RefundRefused,
)

OrderEvent: TypeAlias = (
    OrderPlaced
    | OrderConfirmed
    | OrderUndoBegun
    | OrderNeedsAttention
    | OrderFulfilled
    | OrderCancelled
    | GoodsReturned
    | PaymentEvent
)
PAYMENT_EVENTS: frozenset[type[Event]] = frozenset(
    {
        PaymentRequested,
        PaymentAuthorized,
        PaymentDeclined,
        PaymentAbandoned,
        PaymentCaptured,
        PaymentVoided,
        PaymentRefunded,
        RefundRefused,
    }
)
ORDER_EVENTS: frozenset[type[Event]] = PAYMENT_EVENTS | {
    OrderPlaced,
    OrderConfirmed,
    OrderUndoBegun,
    OrderNeedsAttention,
    OrderFulfilled,
    OrderCancelled,
    GoodsReturned,
}

RowT = TypeVar("RowT")


class OrderNeverPlacedError(LookupError):
    """An order's event came without the one that placed it: the log is damaged or that event was skipped."""


def placed_order(row: RowT | None, recorded: AnyRecorded) -> RowT:
    """The order's row.

    Raises:
        OrderNeverPlacedError: there is none.
    """
    if row is None:
        raise OrderNeverPlacedError(f"{type(recorded.event).__name__} at {recorded.position} is of an order not placed")
    return row
