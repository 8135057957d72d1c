"""Capturing and refunding by hand: plan (committed), have the provider asked, and answer with what came of it.

The plan is the recovery point: whoever sends the same request again, after whatever failure, finds the same operation,
and under its key the provider does it once. One that the provider refused is told, and then stands for nothing.
"""

from uuid import UUID

from shared_kernel.errors import FieldError
from shared_kernel.money import Money
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.payments import model, repository
from write_side.payments.commands import CapturePayment, PaymentDecided, Planned, PositiveMoney, RefundPayment
from write_side.payments.errors import (
    InvalidAmount,
    PaymentNotFound,
    ProviderPending,
    ProviderRefused,
    SettledByHand,
)
from write_side.payments.model import Operation, Payment
from write_side.payments.settling import deadline


async def plan_capture(payment_id: UUID, command: CapturePayment, work: UnitOfWork) -> Outcome:
    """Plan to take what is held."""
    payment = await _load(payment_id, work)
    return await _plan(payment, model.capture(payment, _minor(command.amount, payment)), work)


async def plan_refund(payment_id: UUID, command: RefundPayment, work: UnitOfWork) -> Outcome:
    """Plan to give back what was taken."""
    payment = await _load(payment_id, work)
    return await _plan(payment, model.refund(payment, work.new_id(), _minor(command.amount, payment)), work)


async def answer_for(payment_id: UUID, operation_id: UUID, work: UnitOfWork) -> Outcome:
    """What came of an operation.

    Raises:
        ProviderPending: nobody knows yet.
        ProviderRefused: it was not done, and will not be.
        SettledByHand: nobody here knows, and nobody asks any more. The key goes on standing for it.
    """
    payment = await repository.lock(work.connection, work.tenant.id, payment_id)
    assert payment is not None
    operation = next(one for one in payment.operations if one.operation_id == operation_id)
    match operation.status:
        case "settled":
            return Outcome(data=_decided(payment, operation), version=payment.version)
        case "refused" | "abandoned":
            raise ProviderRefused(f"the payment provider will not do it: {operation.reason or 'no reason given'}")
        case "written_off":
            raise SettledByHand(
                "an operator has settled this by hand: look at the payment before you ask under a new key"
            )
        case _:
            raise ProviderPending("the payment provider has not answered yet; send the same request again")


async def _load(payment_id: UUID, work: UnitOfWork) -> Payment:
    payment = await repository.lock(work.connection, work.tenant.id, payment_id)
    if payment is None:
        raise PaymentNotFound("this store has no such payment")
    work.check_version(payment.version)
    return payment


async def _plan(payment: Payment, operation: Operation, work: UnitOfWork) -> Outcome:
    await repository.intend(
        work.connection,
        work.tenant.id,
        payment,
        operation,
        requested_by=work.actor,
        deadline_at=deadline(operation.kind, work.now),
        now=work.now,
    )
    return Outcome(data=Planned(operation_id=operation.operation_id), version=payment.version)


def _minor(amount: PositiveMoney | None, payment: Payment) -> int | None:
    if amount is None:
        return None
    if amount.currency != payment.currency:
        fault = FieldError(
            pointer="/amount/currency", code="wrong_currency", detail=f"this payment is in {payment.currency}"
        )
        raise InvalidAmount("the amount is in another currency than the payment", errors=(fault,))
    return amount.amount_minor


def _decided(payment: Payment, operation: Operation) -> PaymentDecided:
    def money(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency=payment.currency)

    return PaymentDecided(
        id=payment.payment_id,
        version=payment.version,
        order_id=payment.order_id,
        status=payment.status,
        operation_id=operation.operation_id,
        amount=money(operation.amount_minor),
        authorized=money(payment.authorized_minor),
        captured=money(payment.captured_minor),
        refunded=money(payment.refunded_minor),
        fee=money(payment.fee_minor),
    )
