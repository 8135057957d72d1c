"""What was just read of a log is handed on once, without a gap, and never more than asked for."""

from collections.abc import Iterable, Sequence

import pytest

from projections.runtime.folding import TenantEvents
from projections.runtime.recent import RecentEvents
from shared_kernel.log.reader import Want
from tests.builders.order_log import EMMA, OrderLog, id_of, line

STORE = id_of("one")
_LOG = OrderLog(STORE)
for _number in range(6):
    _LOG.place(f"{_number}", [line(EMMA)])


def run(positions: Iterable[int]) -> TenantEvents:
    """Of the store's log."""
    recorded = tuple(_LOG.events[position - 1] for position in positions)
    return TenantEvents(tenant_id=STORE, recorded=recorded, unreadable=None)


def take(recent: RecentEvents, *, after: int, limit: int = 10, until: int | None = None) -> list[int]:
    """Which positions are given."""
    found = recent.take_all([Want(tenant_id=STORE, after=after, limit=limit, until=until)])
    return [one.position for one in found[STORE].recorded] if found else []


@pytest.mark.parametrize(
    ("read", "after", "given"),
    [
        ([range(1, 4)], 0, [1, 2, 3]),
        ([range(1, 4), range(4, 6)], 1, [2, 3, 4, 5]),
        ([range(1, 3), range(4, 6)], 0, []),
        ([range(1, 3), range(4, 6)], 3, [4, 5]),
        ([range(2, 4)], 0, []),
        ([range(2, 4)], 3, []),
        ([range(0)], 0, []),
        ([], 0, []),
    ],
)
def test_what_follows_without_a_gap_is_given(read: Sequence[range], after: int, given: Sequence[int]) -> None:
    """Nothing where the first that is wanted is not there: it is behind a gap, or gone, or still to come."""
    recent = RecentEvents()
    for positions in read:
        recent.note_all([run(positions)])
    assert take(recent, after=after) == given


def test_nothing_is_given_twice_and_the_rest_stays() -> None:
    """A limit leaves the others for the next; what a bound in the log ends is read from there."""
    recent = RecentEvents()
    recent.note_all([run(range(1, 6))])
    assert take(recent, after=0, until=3) == []
    assert take(recent, after=0, limit=2) == [1, 2]
    assert take(recent, after=0, limit=2) == []
    assert take(recent, after=2) == [3, 4, 5]
    recent.note_all([run([6])])
    assert take(recent, after=5) == [6]


def test_there_is_an_end_to_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody takes it, it is begun anew."""
    monkeypatch.setattr("projections.runtime.recent._MOST_EVENTS", 4)
    recent = RecentEvents()
    recent.note_all([run(range(1, 4)), run(range(4, 6))])
    assert take(recent, after=0) == []
    assert take(recent, after=3) == [4, 5]
