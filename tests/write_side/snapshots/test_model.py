"""Which positions of a log can be had, and how many at a time."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from projections.registry import PROJECTIONS
from shared_kernel.events.snapshots import SnapshotView
from write_side.snapshots.errors import InvalidSnapshot, TooManySnapshots
from write_side.snapshots.model import MAX_SNAPSHOTS, position_of, refuse_too_many

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
_NOT_FROZEN = {"principal", "store", "store_origins", "snapshots", "webhooks", "webhook_deliveries"}


def test_every_view_can_be_frozen_or_is_known_not_to_be() -> None:
    """A new view is listed in `SnapshotView`, or here."""
    assert {projection.view.name for projection in PROJECTIONS} - _NOT_FROZEN == set(get_args(SnapshotView))


def test_a_position_is_itself_and_a_moment_the_last_one_by_then() -> None:
    """Up to the log's end, and up to now."""
    assert position_of(7, position=0, head=7, now=NOW) == 7
    assert position_of(NOW, position=5, head=7, now=NOW) == 5


@pytest.mark.parametrize(
    ("as_of", "position", "code"),
    [
        (8, 0, "position_unknown"),
        (NOW + timedelta(seconds=1), 7, "in_the_future"),
        (NOW - timedelta(days=900), 0, "before_the_log"),
    ],
)
def test_what_the_log_does_not_have_is_refused(as_of: int | datetime, position: int, code: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(InvalidSnapshot) as refused:
        position_of(as_of, position=position, head=7, now=NOW)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [("/as_of", code)]


def test_a_store_has_a_bounded_number_of_them() -> None:
    """One more than that is refused, with when there is room."""
    expiries = [NOW + timedelta(hours=number) for number in range(MAX_SNAPSHOTS)]
    refuse_too_many(expiries[1:])
    with pytest.raises(TooManySnapshots, match="the next expires at 2026-05-01T12:00:00Z"):
        refuse_too_many(expiries)
