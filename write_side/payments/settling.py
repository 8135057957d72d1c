"""What came of an operation, kept once: the payment, its books, its events and the operation, in one transaction."""

from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from shared_kernel.events.payments import PaymentEvent
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.payments import model, repository
from write_side.payments.fault_points import Reach, carry_on, operation_point
from write_side.payments.gateway import (
    Authorized,
    Captured,
    Declined,
    Errand,
    Malformed,
    Refunded,
    Result,
    Unknown,
    Voided,
)
from write_side.payments.ledger import posting
from write_side.payments.model import Operation, Payment

_AUTHORIZATION_LIVES = timedelta(hours=1)
"""A buyer has long gone by then; what is still unknown is an operator's."""
_REST_LIVES = timedelta(hours=20)
"""A provider remembers keys for a day: past that, asking again might do it again."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this was the one to settle it, and whether it is over."""

    is_over: bool


async def settle(
    errand: Errand, result: Result, work: UnitOfWork, *, retry_after: timedelta, reach: Reach = carry_on
) -> Outcome:
    """Keep a result, unless somebody else has settled the operation or leased it since.

    Args:
        retry_after: when to ask again where the result is none, if that is before the operation's deadline.
        reach: what happens at fault points.
    """
    payment = await repository.lock(work.connection, work.tenant.id, errand.payment_id)
    epoch = await repository.lease_of(work.connection, work.tenant.id, errand.operation_id)
    if payment is None or epoch != errand.lease_epoch:
        return _outcome(is_over=False)
    operation = next(one for one in payment.operations if one.operation_id == errand.operation_id)
    is_over = await _keep(payment, operation, result, work, retry=_Retry(errand=errand, due_at=work.now + retry_after))
    reach(operation_point(errand.kind, "decided"))
    return _outcome(is_over=is_over)


class _Retry(msgspec.Struct, frozen=True, kw_only=True):
    errand: Errand
    due_at: datetime


async def _keep(payment: Payment, operation: Operation, result: Result, work: UnitOfWork, *, retry: _Retry) -> bool:
    """Keep a result; whether it is one."""
    match result:
        case Unknown() | Malformed():
            await _keep_asking(retry.errand, result, work, due_at=retry.due_at)
            return False
        case Declined(reason=reason):
            await _refuse(payment, operation, reason, work)
        case Authorized() | Captured() | Voided() | Refunded():
            await _book(payment, _decided(payment, operation, result), work)
            await _end(operation, "settled", work)
        case _:
            assert_never(result)
    if operation.kind == "authorize":
        await repository.forget_token(work.connection, work.tenant.id, payment.payment_id)
    return True


async def abandon(payment: Payment, work: UnitOfWork) -> None:
    """Give a payment up that the provider was never asked for."""
    for operation in payment.operations:
        assert operation.attempts == 0
        await _end(operation, "abandoned", work)
    await _book(payment, model.abandoned(payment), work)
    await repository.forget_token(work.connection, work.tenant.id, payment.payment_id)


async def _keep_asking(errand: Errand, result: Unknown | Malformed, work: UnitOfWork, *, due_at: datetime) -> None:
    if isinstance(result, Malformed):
        await repository.quarantine(
            work.connection,
            work.tenant.id,
            result,
            quarantine_id=work.new_id(),
            operation_id=errand.operation_id,
            source="answer",
            now=work.now,
        )
    if due_at < errand.deadline_at:
        await repository.postpone(work.connection, work.tenant.id, errand.operation_id, due_at=due_at)
        return
    reason = f"no answer by the deadline: {result.why}"[:200]
    await repository.end_operation(
        work.connection, work.tenant.id, errand.operation_id, "stuck", reason=reason, now=work.now
    )


async def _refuse(payment: Payment, operation: Operation, reason: str, work: UnitOfWork) -> None:
    match operation.kind:
        case "authorize":
            await _book(payment, model.declined(payment, reason), work)
            await _end(operation, "settled", work, reason=reason)
        case "refund":
            await _book(payment, model.refund_refused(payment, operation, reason), work)
            await _end(operation, "refused", work, reason=reason)
        case "capture" | "void":
            await _end(operation, "refused", work, reason=reason)
        case _:
            assert_never(operation.kind)


def _decided(
    payment: Payment, operation: Operation, result: Authorized | Captured | Voided | Refunded
) -> tuple[Payment, PaymentEvent]:
    match result:
        case Authorized(reference=reference):
            return model.authorized(payment, reference)
        case Captured(amount_minor=amount, fee_minor=fee):
            return model.captured(payment, amount, fee)
        case Voided():
            return model.voided(payment)
        case Refunded(amount_minor=amount):
            return model.refunded(payment, amount, operation.operation_id)
        case _:
            assert_never(result)


async def _book(before: Payment, decided: tuple[Payment, PaymentEvent], work: UnitOfWork) -> None:
    after, event = decided
    await repository.save(work.connection, work.tenant.id, after, posting(before, event), now=work.now)
    work.record(event, stream_id=after.payment_id, stream_version=after.version)


async def _end(operation: Operation, status: str, work: UnitOfWork, *, reason: str | None = None) -> None:
    await repository.end_operation(
        work.connection, work.tenant.id, operation.operation_id, status, reason=reason, now=work.now
    )


def _outcome(*, is_over: bool) -> Outcome:
    return Outcome(data=Settled(is_over=is_over), version=None)


def deadline(kind: str, now: datetime) -> datetime:
    """Until when the provider is asked about an operation: within its own memory of keys, which is a day."""
    return now + (_AUTHORIZATION_LIVES if kind == "authorize" else _REST_LIVES)
