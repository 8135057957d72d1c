"""The places between two steps where an archiver may die: tests kill it at each, so none may be forgotten."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class ArchiveStep(StrEnum):
    """Reached just after the named step of a file."""

    READ = "read"
    WRITTEN = "written"
    NOTED = "noted"
    READ_BACK = "read_back"
    VERIFIED = "verified"
    REMOVED = "removed"


Reach: TypeAlias = Callable[[ArchiveStep], None]


def carry_on(_step: ArchiveStep) -> None:
    """What production does there: nothing."""
