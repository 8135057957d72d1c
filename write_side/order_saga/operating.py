"""What an operator does with a saga that asks for attention: have it tried again, or close it by hand."""

from uuid import UUID

import msgspec

from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.order_saga import repository
from write_side.order_saga.advancing import Standing, load
from write_side.order_saga.errors import ProviderStillAsked, SagaNotFound, SagaNotWaiting
from write_side.order_saga.repository import Step
from write_side.orders import changing
from write_side.orders.commands import CancelOrder
from write_side.payments.model import Payment
from write_side.payments.settling import deadline


class SagaDecided(msgspec.Struct, frozen=True, kw_only=True):
    """Where an operator left a saga."""

    order_id: UUID
    state: str


async def retry_saga(order_id: UUID, why: str, work: UnitOfWork) -> Outcome:
    """What got no answer is asked about again, under its own key; what was refused may be asked for anew.

    Raises:
        SagaNotFound: the store has no such saga.
        SagaNotWaiting: it does not ask for attention.
    """
    standing = await _waiting(order_id, work)
    await repository.revive_operations(
        work.connection,
        work.tenant.id,
        standing.saga.payment_id,
        now=work.now,
        deadline_at=deadline("refund", work.now),
    )
    return await _leave(standing, Step(state="running", step="retry", note=why), work)


async def resolve_saga(order_id: UUID, why: str, work: UnitOfWork) -> Outcome:
    """Somebody has settled it with the provider and the buyer: nobody is asked any more.

    An order that was being undone is cancelled, and its copies are free again.

    Raises:
        SagaNotFound: the store has no such saga.
        SagaNotWaiting: it does not ask for attention.
        ProviderStillAsked: a call is under way, or its answer was lost and is being looked up.
    """
    standing = await _waiting(order_id, work)
    _refuse_while_asked(standing.payment)
    await repository.write_operations_off(work.connection, work.tenant.id, standing.saga.payment_id, now=work.now)
    is_undone = standing.saga.undo_reason is not None and standing.order.status != "cancelled"
    if is_undone and standing.order.fulfilment_status == "unfulfilled":
        await changing.cancel_order(order_id, CancelOrder(reason=f"resolved by hand: {why}"[:500]), work)
    return await _leave(standing, Step(state="resolved", step="resolve", note=why), work)


async def _waiting(order_id: UUID, work: UnitOfWork) -> Standing:
    standing = await load(order_id, work)
    if standing is None:
        raise SagaNotFound("this store has no saga of such an order")
    if standing.saga.state != "needs_attention":
        raise SagaNotWaiting(f"the saga is {standing.saga.state}: only one that needs attention can be changed by hand")
    return standing


def _refuse_while_asked(payment: Payment) -> None:
    # Those that nobody has asked about yet are locked by now, and nobody will.
    asked = [one.kind for one in payment.operations if one.status == "intended" and one.attempts]
    if asked:
        message = f"the provider is still being asked about a {asked[0]}: resolve it once that has come to an end"
        raise ProviderStillAsked(message)


async def _leave(standing: Standing, step: Step, work: UnitOfWork) -> Outcome:
    order_id = standing.order.order_id
    await repository.move(work.connection, work.tenant.id, order_id, step, now=work.now)
    return Outcome(data=SagaDecided(order_id=order_id, state=step.state), version=None)
