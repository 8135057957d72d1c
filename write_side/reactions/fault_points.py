"""The places between two steps where a reacting worker may die: tests kill it at each, so none may be forgotten."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class FaultPoint(StrEnum):
    """Reached just after the named step of a turn."""

    FETCH = "fetch"
    REACT = "react"
    APPEND = "append"
    CHECKPOINT = "checkpoint"
    COMMIT = "commit"
    PARK = "park"


Reach: TypeAlias = Callable[[StrEnum], None]
"""Called with a member of this list, or of one that a duty exports for itself."""


def carry_on(_point: StrEnum) -> None:
    """What production does at a fault point: nothing."""
