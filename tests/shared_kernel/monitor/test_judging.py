"""Green and red are told from several looks: a backlog moves, a standstill does not."""

from uuid import UUID

import pytest

from shared_kernel.monitor.judging import LATE_SECONDS, STALLED_SECONDS, Judge
from shared_kernel.monitor.looking import ProjectionSight, Sight, StoreLag
from shared_kernel.monitor.reacting import Labour

STORES = (UUID(int=1), UUID(int=2))
HEAD = 1_000


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def sight(
    *positions: int, lag_seconds: float = 1.0, workers: int = 1, held_shards: int = 16, is_paused: bool = False
) -> Sight:
    """One projection, at these positions in as many stores."""
    behind = tuple(
        StoreLag(tenant_id=store, position=position, head=HEAD, lag_seconds=lag_seconds)
        for store, position in zip(STORES, positions, strict=False)
        if position < HEAD
    )
    seen = ProjectionSight(
        name="sales", version=1, tenants=len(positions), position_sum=sum(positions), rows=0, dead_letters=0,
        retrying=0, is_building=False, is_paused=is_paused, lag_events=sum(one.lag_events for one in behind),
        lag_seconds=max((one.lag_seconds for one in behind), default=0.0), behind=behind,
    )  # fmt: skip
    labour = Labour(workers=workers, shards=16, held_shards=held_shards)
    return Sight(projections=(seen,), head_sum=HEAD, labour=labour, vitals=None)


def test_whoever_shows_everything_is_green() -> None:
    """However often one looks."""
    clock = Clock()
    judge = Judge(now=clock)
    for _ in range(3):
        assert judge.judge(sight(HEAD, HEAD)).is_green
        clock.now += STALLED_SECONDS


def test_a_store_that_stands_still_while_its_log_goes_on_is_red_and_green_once_it_moves() -> None:
    """Also when another store moves meanwhile."""
    clock = Clock()
    judge = Judge(now=clock)
    assert judge.judge(sight(10, 10)).is_green
    clock.now += STALLED_SECONDS
    (reason,) = judge.judge(sight(10, 500)).reasons
    assert "sales@1 stands still in 1 store;" in reason
    clock.now += 1
    assert judge.judge(sight(11, 500)).is_green


def test_a_backlog_that_moves_is_green_until_it_is_too_late() -> None:
    """Catching up is no fault; showing what is half a minute old is one."""
    clock = Clock()
    judge = Judge(now=clock)
    for position in range(0, 500, 100):
        assert judge.judge(sight(position, lag_seconds=LATE_SECONDS)).is_green
        clock.now += STALLED_SECONDS
    (reason,) = judge.judge(sight(600, lag_seconds=LATE_SECONDS + 1)).reasons
    assert "behind" in reason


@pytest.mark.parametrize(
    ("workers", "held", "said"), [(0, 16, "no projector is alive"), (1, 15, "1 of 16 shards are drained by nobody")]
)
def test_that_nobody_works_is_red_before_anything_lags(workers: int, held: int, said: str) -> None:
    """At the first look."""
    (reason,) = Judge().judge(sight(HEAD, workers=workers, held_shards=held)).reasons
    assert said in reason


def test_a_paused_projection_is_not_red() -> None:
    """Somebody wanted it so, and is told of it elsewhere."""
    clock = Clock()
    judge = Judge(now=clock)
    for _ in range(3):
        assert judge.judge(sight(10, lag_seconds=3_600.0, is_paused=True)).is_green
        clock.now += STALLED_SECONDS
