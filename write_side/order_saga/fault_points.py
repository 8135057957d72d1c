"""Every named place where the saga, or an operation of a payment, may die. No kill test keeps a list of its own."""

from enum import StrEnum
from typing import Literal, TypeAlias

from write_side.order_saga.model import Move
from write_side.payments.fault_points import OperationPoint

Moment: TypeAlias = Literal["decided", "committed"]


class SagaPoint(StrEnum):
    """Of each move, two. `decided`: written, not committed. `committed`: committed, nobody has heard of it."""

    AUTHORIZE_DECIDED = "saga.authorize.decided"
    AUTHORIZE_COMMITTED = "saga.authorize.committed"
    CONFIRM_DECIDED = "saga.confirm.decided"
    CONFIRM_COMMITTED = "saga.confirm.committed"
    CAPTURE_DECIDED = "saga.capture.decided"
    CAPTURE_COMMITTED = "saga.capture.committed"
    REFUND_RETURN_DECIDED = "saga.refund_return.decided"
    REFUND_RETURN_COMMITTED = "saga.refund_return.committed"
    COMPLETE_DECIDED = "saga.complete.decided"
    COMPLETE_COMMITTED = "saga.complete.committed"
    BEGIN_UNDO_DECIDED = "saga.begin_undo.decided"
    BEGIN_UNDO_COMMITTED = "saga.begin_undo.committed"
    ABANDON_DECIDED = "saga.abandon.decided"
    ABANDON_COMMITTED = "saga.abandon.committed"
    VOID_DECIDED = "saga.void.decided"
    VOID_COMMITTED = "saga.void.committed"
    REFUND_DECIDED = "saga.refund.decided"
    REFUND_COMMITTED = "saga.refund.committed"
    CANCEL_DECIDED = "saga.cancel.decided"
    CANCEL_COMMITTED = "saga.cancel.committed"
    FINISH_UNDO_DECIDED = "saga.finish_undo.decided"
    FINISH_UNDO_COMMITTED = "saga.finish_undo.committed"
    HALT_DECIDED = "saga.halt.decided"
    HALT_COMMITTED = "saga.halt.committed"
    WAIT_DECIDED = "saga.wait.decided"
    WAIT_COMMITTED = "saga.wait.committed"


def move_point(move: Move, moment: Moment) -> SagaPoint:
    """The one of this move and moment."""
    return SagaPoint(f"saga.{move.value}.{moment}")


FAULT_POINTS: tuple[SagaPoint | OperationPoint, ...] = (*SagaPoint, *OperationPoint)
