"""What an order's saga does next: a pure decision over where the order and its payment stand, never over what happened.

Because it looks at the state and not at messages, one that is lost, doubled or late changes nothing but the time.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from write_side.orders.model import Order
from write_side.payments.model import Kind, Operation, Payment

MAX_ATTEMPTS = 50
"""A step that could not be taken so often, over an hour or more, will not get better by itself."""


class Move(StrEnum):
    """Everything a saga can do, each in one transaction. Its name is also the step it is shown at."""

    AUTHORIZE = "authorize"
    CONFIRM = "confirm"
    CAPTURE = "capture"
    REFUND_RETURN = "refund_return"
    COMPLETE = "complete"
    BEGIN_UNDO = "begin_undo"
    ABANDON = "abandon"
    VOID = "void"
    REFUND = "refund"
    CANCEL = "cancel"
    FINISH_UNDO = "finish_undo"
    HALT = "halt"
    WAIT = "wait"


class Saga(msgspec.Struct, frozen=True, kw_only=True):
    """A saga as it stands.

    Attributes:
        confirm_by: past it an order that is not confirmed is undone: nobody waits for it any more.
        hold_until: past it a confirmed order of which nothing left is undone: its copies are others' again, and the
            provider lets go of what it holds soon.
        attempts: how often the step it is at was tried.
    """

    order_id: UUID
    payment_id: UUID
    state: str
    step: str
    steps: int
    attempts: int
    lease_epoch: int
    confirm_by: datetime
    hold_until: datetime
    undo_reason: str | None = None


class ReturnDue(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that came back and whose money did not go back yet, and as which operation it is to."""

    refund_id: UUID
    total_minor: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, why, and where that is a wait, until when at the latest."""

    move: Move
    reason: str | None = None
    until: datetime | None = None


def next_move(saga: Saga, payment: Payment, order: Order, returns: Sequence[ReturnDue], *, now: datetime) -> Decision:
    """The one thing to do now."""
    failed = _failed(payment)
    if failed is not None:
        why = f"the provider's answer to {failed.kind} is {failed.status}: {failed.reason or 'no reason given'}"
        return Decision(move=Move.HALT, reason=why)
    if saga.attempts > MAX_ATTEMPTS:
        return Decision(move=Move.HALT, reason=f"the step after {saga.step} failed {MAX_ATTEMPTS} times")
    if saga.undo_reason is not None or order.status == "cancelled":
        return _undoing(payment, order)
    if order.fulfilment_status != "unfulfilled":
        return _handed_over(payment, returns)
    return _going_forward(saga, payment, order, now)


def _going_forward(saga: Saga, payment: Payment, order: Order, now: datetime) -> Decision:
    match payment.status:
        case "requested":
            return _requesting(saga, payment, now)
        case "authorized" | "captured" if order.status == "placed":
            return Decision(move=Move.CONFIRM)
        case "authorized":
            return _holding(saga, payment, now)
        case "captured":
            return Decision(move=Move.WAIT)
        case "declined":
            return Decision(move=Move.BEGIN_UNDO, reason="the payment was declined")
        case "abandoned" | "voided" | "refunded":
            return Decision(move=Move.BEGIN_UNDO, reason="nothing is held or paid for this order any more")


def _requesting(saga: Saga, payment: Payment, now: datetime) -> Decision:
    if now >= saga.confirm_by:
        return Decision(move=Move.BEGIN_UNDO, reason="the payment was not authorized in time")
    if payment.is_doing("authorize"):
        return Decision(move=Move.WAIT, until=saga.confirm_by)
    return Decision(move=Move.AUTHORIZE)


def _holding(saga: Saga, payment: Payment, now: datetime) -> Decision:
    if now >= saga.hold_until and not payment.is_doing("capture"):
        return Decision(move=Move.BEGIN_UNDO, reason="nothing was handed over in time")
    return Decision(move=Move.WAIT, until=saga.hold_until)


def _handed_over(payment: Payment, returns: Sequence[ReturnDue]) -> Decision:
    match payment.status:
        case "authorized":
            return Decision(move=Move.WAIT if payment.is_doing("capture") else Move.CAPTURE)
        case "captured" if payment.is_doing("refund"):
            return Decision(move=Move.WAIT)
        case "captured" if returns and payment.refundable_minor:
            return Decision(move=Move.REFUND_RETURN)
        case "captured" | "refunded":
            return Decision(move=Move.COMPLETE)
        case _:
            return Decision(move=Move.HALT, reason=f"copies have left and the payment is {payment.status}")


def _undoing(payment: Payment, order: Order) -> Decision:
    """Money first, then copies and the order itself: the reverse of how it was built."""
    if order.fulfilment_status != "unfulfilled":
        return Decision(move=Move.HALT, reason="copies have left of an order that is being undone")
    match payment.status:
        case "requested" if any(one.attempts for one in payment.of_kind("authorize")):
            # It may be held by now: what came of it must be known before it can be let go.
            return Decision(move=Move.WAIT)
        case "requested":
            return Decision(move=Move.ABANDON)
        case "authorized":
            is_busy = payment.is_doing("void") or payment.is_doing("capture")
            return Decision(move=Move.WAIT if is_busy else Move.VOID)
        case "captured":
            return Decision(move=Move.WAIT if payment.is_doing("refund") else Move.REFUND)
        case "declined" | "abandoned" | "voided" | "refunded":
            return Decision(move=Move.FINISH_UNDO if order.status == "cancelled" else Move.CANCEL)


def _failed(payment: Payment) -> Operation | None:
    # Of captures and voids the last alone counts: there is one to do, and it takes the place of those before it.
    singular: tuple[Kind, ...] = ("authorize", "capture", "void")
    last = [one for kind in singular for one in payment.of_kind(kind)[-1:]]
    return next((one for one in (*last, *payment.of_kind("refund")) if one.status in {"stuck", "refused"}), None)
