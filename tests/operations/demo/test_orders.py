"""Made-up orders: the same for a seed, and shaped like a shop's."""

import datetime as dt
from collections import Counter
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from operations.demo.orders import MAX_LINES, DemoOrder, demo_orders, live_orders, units_by_edition

_LONDON = ZoneInfo("Europe/London")
_EDITIONS = tuple(f"edition-{rank:03d}" for rank in range(300))
_TODAY = dt.date(2025, 11, 20)
_SEEDS = (1, 2, 3)


def _orders(*, seed: int, today: dt.date = _TODAY, timezone: ZoneInfo = _LONDON) -> list[DemoOrder]:
    return list(demo_orders(editions=_EDITIONS, today=today, timezone=timezone, seed=seed))


def test_a_seed_is_a_story() -> None:
    """The same one each time, another one for another seed."""
    assert _orders(seed=7) == _orders(seed=7)
    assert _orders(seed=7) != _orders(seed=8)


@pytest.mark.parametrize("seed", _SEEDS)
def test_ninety_days_up_to_yesterday_in_order(seed: int) -> None:
    """Every day has orders, today has none, and nothing is placed before what came earlier."""
    orders = _orders(seed=seed)
    days = Counter(order.placed_at.date() for order in orders)
    assert set(days) == {_TODAY - dt.timedelta(days=back) for back in range(1, 91)}
    assert 1_800 <= len(orders) <= 2_600
    times = [order.placed_at for order in orders]
    assert times == sorted(times)


@pytest.mark.parametrize("seed", _SEEDS)
def test_the_week_and_the_day_have_a_shape(seed: int) -> None:
    """Saturday is the best day; the counter closes at night; the web buys in the evening."""
    orders = _orders(seed=seed)
    weekdays = Counter(order.placed_at.weekday() for order in orders)
    assert weekdays.most_common(1)[0][0] == 5
    counter_hours = {order.placed_at.hour for order in orders if order.basket.channel == "pos"}
    assert counter_hours <= set(range(9, 20))
    web = [order for order in orders if order.basket.channel == "web"]
    assert 0.35 < len(web) / len(orders) < 0.55
    assert sum(order.placed_at.hour >= 18 for order in web) > len(web) * 0.4


@pytest.mark.parametrize("seed", _SEEDS)
def test_the_tail_is_long(seed: int) -> None:
    """The first tenth sells a third to a half of all copies, and hardly a title nothing."""
    units = units_by_edition(_orders(seed=seed))
    head = sum(units[edition] for edition in _EDITIONS[:30])
    assert 0.33 < head / units.total() < 0.5
    assert len(units) > 280
    assert max(units, key=units.__getitem__) in _EDITIONS[:3]


@pytest.mark.parametrize("seed", _SEEDS)
def test_baskets_are_small_and_different(seed: int) -> None:
    """One to five lines, no edition twice, one to three copies."""
    for order in _orders(seed=seed):
        editions = [line.edition for line in order.basket.lines]
        assert 1 <= len(editions) == len(set(editions)) <= MAX_LINES
        assert all(1 <= line.quantity <= 3 for line in order.basket.lines)
    assert {len(order.basket.lines) for order in _orders(seed=seed)} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("seed", _SEEDS)
def test_fates_exclude_each_other_and_are_past(seed: int) -> None:
    """Cancelled or fulfilled or still open; returned only when fulfilled; nothing from today on."""
    midnight = dt.datetime.combine(_TODAY, dt.time(), tzinfo=_LONDON)
    orders = _orders(seed=seed)
    for order in orders:
        assert order.cancelled is None or order.fulfilled_at is None
        if order.cancelled is not None:
            assert order.basket.channel == "web"
            assert order.placed_at < order.cancelled.at < midnight
        if order.fulfilled_at is not None:
            assert order.placed_at < order.fulfilled_at < midnight
        if order.returned is not None:
            assert order.fulfilled_at is not None
            assert order.fulfilled_at < order.returned.at < midnight
            assert order.returned.line in order.basket.lines
    assert 0.01 < sum(order.cancelled is not None for order in orders) / len(orders) < 0.05
    assert 0.01 < sum(order.returned is not None for order in orders) / len(orders) < 0.06
    assert any(order.cancelled is None and order.fulfilled_at is None for order in orders)


@pytest.mark.parametrize("timezone", ["Europe/London", "America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize("today", [dt.date(2025, 4, 5), dt.date(2025, 11, 20), dt.date(2024, 3, 1)])
def test_time_runs_forward_over_a_change_of_clocks(timezone: str, today: dt.date) -> None:
    """Also in UTC, in any store's zone."""
    orders = _orders(seed=1, today=today, timezone=ZoneInfo(timezone))
    times = [order.placed_at.astimezone(dt.UTC) for order in orders]
    assert times == sorted(times)
    for order in orders:
        after = order.fulfilled_at or (order.cancelled.at if order.cancelled else None)
        assert after is None or after.astimezone(dt.UTC) > order.placed_at.astimezone(dt.UTC)


def test_one_edition_is_enough() -> None:
    """A small store has orders too."""
    orders = list(demo_orders(editions=["only"], today=_TODAY, timezone=_LONDON, seed=1, days=2))
    assert orders
    assert {line.edition for order in orders for line in order.basket.lines} == {"only"}


def test_live_orders_go_on_at_their_rate() -> None:
    """Three a second, never more than two seconds apart, the same for a seed."""
    first = list(islice(live_orders(editions=_EDITIONS, seed=5), 3_000))
    assert first == list(islice(live_orders(editions=_EDITIONS, seed=5), 3_000))
    pauses = [order.pause_seconds for order in first]
    assert 0.28 < sum(pauses) / len(pauses) < 0.38
    assert 0 <= min(pauses) <= max(pauses) <= 2.0
    assert {order.basket.channel for order in first} == {"web", "pos"}
