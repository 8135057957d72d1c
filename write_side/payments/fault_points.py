"""The places between two steps of an operation where a process may die: tests kill it at each, so none is forgotten."""

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, TypeAlias

from write_side.payments.model import Kind

Moment: TypeAlias = Literal["claimed", "called", "decided", "settled"]


class OperationPoint(StrEnum):
    """Of each kind of operation, four.

    `claimed`: the lease is committed, nobody has asked. `called`: the provider has answered, nobody knows. `decided`:
    what came of it is written, not committed. `settled`: it is committed, nobody has heard of it.
    """

    AUTHORIZE_CLAIMED = "authorize.claimed"
    AUTHORIZE_CALLED = "authorize.called"
    AUTHORIZE_DECIDED = "authorize.decided"
    AUTHORIZE_SETTLED = "authorize.settled"
    CAPTURE_CLAIMED = "capture.claimed"
    CAPTURE_CALLED = "capture.called"
    CAPTURE_DECIDED = "capture.decided"
    CAPTURE_SETTLED = "capture.settled"
    VOID_CLAIMED = "void.claimed"
    VOID_CALLED = "void.called"
    VOID_DECIDED = "void.decided"
    VOID_SETTLED = "void.settled"
    REFUND_CLAIMED = "refund.claimed"
    REFUND_CALLED = "refund.called"
    REFUND_DECIDED = "refund.decided"
    REFUND_SETTLED = "refund.settled"


Reach: TypeAlias = Callable[[StrEnum], None]


def carry_on(_point: StrEnum) -> None:
    """What production does at a fault point: nothing."""


def operation_point(kind: Kind, moment: Moment) -> OperationPoint:
    """The one of this kind and moment."""
    return OperationPoint(f"{kind}.{moment}")
