"""What the saga hears from the log: that an order is to be paid, and that something happened to one it follows.

Hearing starts a saga or wakes it, and decides nothing: what is heard twice, late or out of order is heard as well.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared_kernel.database.pool import Connection
from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.events.orders import GoodsReturned, OrderCancelled, OrderFulfilled
from shared_kernel.events.payments import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRequested,
    PaymentVoided,
    RefundRefused,
)
from write_side.order_saga import repository
from write_side.order_saga.times import SagaTimes

HANDLES: tuple[type[Event], ...] = (
    PaymentRequested,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentCaptured,
    PaymentVoided,
    PaymentRefunded,
    RefundRefused,
    OrderFulfilled,
    OrderCancelled,
    GoodsReturned,
)


def order_of(recorded: Recorded[Event]) -> UUID:
    """What stays in order: everything about one order, whichever stream says it."""
    order_id: UUID | None = getattr(recorded.event, "order_id", None)
    return recorded.stream_id if order_id is None else order_id


async def hear(
    events: Sequence[Recorded[Event]],
    connection: Connection,
    tenant_id: UUID,
    *,
    now: datetime,
    times: SagaTimes,
) -> None:
    """Start or wake the sagas that these events of one store concern."""
    for recorded in events:
        match recorded.event:
            case PaymentRequested() as requested:
                await repository.start(
                    connection,
                    tenant_id,
                    order_id=requested.order_id,
                    payment_id=requested.payment_id,
                    now=now,
                    confirm_by=recorded.recorded_at + timedelta(seconds=times.confirm_seconds),
                    hold_until=recorded.recorded_at + timedelta(seconds=times.hold_seconds),
                )
            case GoodsReturned(order_id=UUID() as order_id):
                await repository.reopen(connection, tenant_id, order_id, now=now)
            case (
                PaymentAuthorized()
                | PaymentDeclined()
                | PaymentCaptured()
                | PaymentVoided()
                | PaymentRefunded()
                | RefundRefused()
                | OrderFulfilled()
                | OrderCancelled()
            ) as happened:
                await repository.wake(connection, tenant_id, happened.order_id, now=now)
            case _:
                pass
