"""Which positions can be had, and for how long."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared_kernel.errors import FieldError
from write_side.snapshots.errors import InvalidSnapshot, TooManySnapshots

LIFETIME = timedelta(hours=24)
"""A snapshot is rows beside the live ones: long enough for a report, and then room for the next."""
MAX_SNAPSHOTS = 10


def refuse_too_many(expiries: Sequence[datetime]) -> None:
    """A store has a bounded number of snapshots at a time.

    Raises:
        TooManySnapshots: it has them; the message says when there is room.
    """
    if len(expiries) >= MAX_SNAPSHOTS:
        raise TooManySnapshots(
            f"a store has {MAX_SNAPSHOTS} snapshots at most; the next expires at {min(expiries):%FT%TZ}"
        )


def position_of(as_of: int | datetime, *, position: int, head: int, now: datetime) -> int:
    """The position asked for.

    Args:
        as_of: as asked.
        position: the last one recorded by then, where it is a moment.
        head: the log's last.
        now: the time.

    Raises:
        InvalidSnapshot: it is not there, or not yet.
    """
    if isinstance(as_of, int):
        if as_of > head:
            raise _invalid("position_unknown", f"the log ends at {head}")
        return as_of
    if as_of > now:
        raise _invalid("in_the_future", "what happens by then is not known yet")
    if position == 0:
        raise _invalid("before_the_log", "the store's log begins later")
    return position


def _invalid(code: str, detail: str) -> InvalidSnapshot:
    fault = FieldError(pointer="/as_of", code=code, detail=detail)
    return InvalidSnapshot("there is no such position in the store's log", errors=(fault,))
