"""The places between two steps where a projector may die: tests kill it at each, so none may be forgotten."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class FaultPoint(StrEnum):
    """Reached just after the named step of a batch."""

    FETCH = "fetch"
    FOLD = "fold"
    UPSERT = "upsert"
    CHECKPOINT = "checkpoint"
    COMMIT = "commit"
    REDIS = "redis"


Reach: TypeAlias = Callable[[FaultPoint], None]


def carry_on(_point: FaultPoint) -> None:
    """What production does at a fault point: nothing."""
