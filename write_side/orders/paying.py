"""What orders ask of payments: that they be paid, in the very transaction that places them."""

from uuid import UUID, uuid5

from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.orders.model import Order
from write_side.payments import model, repository
from write_side.payments.model import Payment


def payment_id(order_id: UUID) -> UUID:
    """Of an order's one payment."""
    return uuid5(order_id, "payment")


async def request_payment(order: Order, token: str, work: UnitOfWork) -> None:
    """Keep what is to be paid, and the token for it; the saga, which hears of it by the log, does the rest."""
    payment = Payment(
        payment_id=payment_id(order.order_id),
        version=1,
        order_id=order.order_id,
        currency=order.currency,
        amount_minor=order.total_minor,
    )
    await repository.add(work.connection, work.tenant.id, payment, token=token, now=work.now)
    work.record(model.requested(payment), stream_id=payment.payment_id, stream_version=payment.version)
