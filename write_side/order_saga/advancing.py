"""One move of one saga, in one transaction: load, decide, act. No provider is asked in here; it is only planned."""

from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import msgspec

from shared_kernel.events.orders import OrderConfirmed, OrderNeedsAttention, OrderUndoBegun
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.order_saga import repository
from write_side.order_saga.fault_points import move_point
from write_side.order_saga.model import Decision, Move, ReturnDue, Saga, next_move
from write_side.orders import changing
from write_side.orders import model as orders
from write_side.orders import repository as order_rows
from write_side.orders.commands import CancelOrder
from write_side.orders.model import Order
from write_side.payments import model as payments
from write_side.payments import repository as payment_rows
from write_side.payments.fault_points import Reach
from write_side.payments.model import Operation, Payment
from write_side.payments.settling import abandon, deadline

ACTOR = "order-saga"
OrderChange: TypeAlias = tuple[Order, OrderConfirmed | OrderUndoBegun | OrderNeedsAttention]
_STATES = {Move.COMPLETE: "completed", Move.FINISH_UNDO: "compensated", Move.HALT: "needs_attention"}


class Advanced(msgspec.Struct, frozen=True, kw_only=True):
    """What was done; None where another process has the saga now."""

    move: Move | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A saga with its payment and its order, all locked."""

    saga: Saga
    payment: Payment
    order: Order
    returns: tuple[ReturnDue, ...]


async def advance(
    order_id: UUID, lease_epoch: int, work: UnitOfWork, *, poll_after: timedelta, reach: Reach
) -> Outcome:
    """Make the next move of a saga that this process has leased.

    Args:
        poll_after: when to look again while waiting for something that was not heard of.
    """
    standing = await load(order_id, work)
    if standing is None or standing.saga.lease_epoch != lease_epoch or standing.saga.state != "running":
        return Outcome(data=Advanced(move=None), version=None)
    decision = next_move(standing.saga, standing.payment, standing.order, standing.returns, now=work.now)
    if decision.move is Move.WAIT:
        later = work.now + poll_after
        due_at = later if decision.until is None else min(later, decision.until)
        await repository.rest(work.connection, work.tenant.id, order_id, due_at=due_at)
    else:
        await _act(standing, decision, work)
        await _keep(standing, decision, work)
    reach(move_point(decision.move, "decided"))
    return Outcome(data=Advanced(move=decision.move), version=None)


async def load(order_id: UUID, work: UnitOfWork) -> Standing | None:
    """The saga and what it is about, locked in this order; None where there is no such saga."""
    saga = await repository.lock(work.connection, work.tenant.id, order_id)
    if saga is None:
        return None
    payment = await payment_rows.lock(work.connection, work.tenant.id, saga.payment_id)
    order = await order_rows.lock_order(work.connection, work.tenant.id, order_id)
    assert payment is not None
    assert order is not None
    has_left = order.fulfilment_status != "unfulfilled"
    returns = await repository.returns_due(work.connection, work.tenant.id, order_id, payment) if has_left else ()
    return Standing(saga=saga, payment=payment, order=order, returns=returns)


async def _act(standing: Standing, decision: Decision, work: UnitOfWork) -> None:
    operation = _planned(standing, decision.move, work)
    if operation is not None:
        await _intend(standing.payment, operation, work)
        return
    changed = _changed_order(standing, decision)
    if changed is not None:
        await _save_order(changed, work)
        return
    if decision.move is Move.ABANDON:
        await abandon(standing.payment, work)
    elif decision.move is Move.CANCEL:
        # Releases what was promised and cancels, in this order, in this transaction.
        reason = standing.saga.undo_reason or "undone"
        await changing.cancel_order(standing.order.order_id, CancelOrder(reason=reason), work)


def _planned(standing: Standing, move: Move, work: UnitOfWork) -> Operation | None:
    """What the provider is to be asked for, if this is such a move."""
    payment = standing.payment
    match move:
        case Move.AUTHORIZE:
            return payments.authorization(payment)
        case Move.CAPTURE:
            return payments.capture(payment)
        case Move.VOID:
            return payments.void(payment)
        case Move.REFUND:
            return payments.refund(payment, work.new_id())
        case Move.REFUND_RETURN:
            due = standing.returns[0]
            return payments.refund(payment, due.refund_id, min(due.total_minor, payment.refundable_minor))
        case _:
            return None


def _changed_order(standing: Standing, decision: Decision) -> OrderChange | None:
    """The order after the move, if it changes by it."""
    order, reason = standing.order, decision.reason or "no reason given"
    match decision.move:
        case Move.CONFIRM:
            return orders.confirm(order)
        case Move.BEGIN_UNDO:
            return orders.begin_undo(order, reason=reason)
        case Move.HALT:
            return orders.ask_for_attention(order, step=standing.saga.step, reason=reason)
        case _:
            return None


async def _keep(standing: Standing, decision: Decision, work: UnitOfWork) -> None:
    step = repository.Step(
        state=_STATES.get(decision.move, "running"),
        step=decision.move.value,
        undo_reason=decision.reason if decision.move is Move.BEGIN_UNDO else None,
        failure=decision.reason if decision.move is Move.HALT else None,
        note=decision.reason,
    )
    await repository.move(work.connection, work.tenant.id, standing.order.order_id, step, now=work.now)


async def _intend(payment: Payment, operation: Operation, work: UnitOfWork) -> None:
    await payment_rows.intend(
        work.connection,
        work.tenant.id,
        payment,
        operation,
        requested_by=work.actor,
        deadline_at=deadline(operation.kind, work.now),
        now=work.now,
    )


async def _save_order(change: OrderChange, work: UnitOfWork) -> None:
    changed, event = change
    await order_rows.save(work.connection, work.tenant.id, changed, ())
    work.record(event, stream_id=changed.order_id, stream_version=changed.version)
