"""Plausible orders from a seed: a shop with weekends, lunch hours, late-night web buyers and a long tail.

The same seed and arguments give the same orders on every machine. Nothing here knows a store: an edition is whatever
key the caller hands in, most popular first.
"""

import datetime as dt
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Channel = Literal["web", "pos"]

DAYS = 90
ORDERS_PER_DAY = 24
LIVE_ORDERS_PER_SECOND = 3.0
MAX_LINES = 5

_WEEKDAY_WEIGHTS = (0.85, 0.8, 0.9, 0.95, 1.15, 1.5, 0.85)
"""Monday to Sunday; the mean is 1."""
_GROWTH_OVER_THE_PERIOD = 0.3
_SHARE_OF_WEB = 0.45
_POS_WEIGHT_BY_HOUR = dict(enumerate((2, 5, 8, 11, 10, 8, 8, 9, 10, 6, 2), start=9))
"""Open from nine to eight: lunch, and the way home."""
_WEB_WEIGHT_BY_HOUR = {0: 1} | dict(enumerate((2, 3, 4, 4, 4, 6, 6, 4, 4, 4, 5, 7, 10, 13, 14, 9, 4), start=7))
"""From seven to after midnight, most of it from the sofa."""
_LINE_COUNT_WEIGHTS = (52, 25, 13, 7, 3)
_QUANTITY_WEIGHTS = {1: 90, 2: 8, 3: 2}
_TAIL_OFFSET = 5
_TAIL_EXPONENT = 0.9
"""Popularity falls as 1/(rank + 5)^0.9: a head that is worn but not alone, a tail that sells now and then."""
_CANCELLED_OF_WEB = 0.05
_RETURNED_OF_FULFILLED = 0.04
_CANCELLATION_REASONS = ("customer_changed_mind", "ordered_twice", "delivery_too_slow")
_LONGEST_PAUSE_SECONDS = 2.0
"""However chance falls, something moves at least every two seconds while somebody watches."""


class DemoLine(msgspec.Struct, frozen=True, kw_only=True):
    """So many copies of one edition."""

    edition: str
    quantity: int


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody buys: one to five different editions."""

    channel: Channel
    lines: tuple[DemoLine, ...]


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole order, before it was fulfilled."""

    at: dt.datetime
    reason: str


class DemoReturn(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a fulfilled order, brought back whole."""

    at: dt.datetime
    line: DemoLine


class DemoOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order and what has become of it before today; all times carry the store's zone.

    It is cancelled or fulfilled, or neither yet; only a fulfilled one is returned.
    """

    placed_at: dt.datetime
    basket: Basket
    cancelled: Cancellation | None
    fulfilled_at: dt.datetime | None
    returned: DemoReturn | None


class LiveOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A basket, and how long to wait before it is placed."""

    pause_seconds: float
    basket: Basket


def demo_orders(
    *,
    editions: Sequence[str],
    today: dt.date,
    timezone: ZoneInfo,
    seed: int,
    days: int = DAYS,
    orders_per_day: int = ORDERS_PER_DAY,
) -> Iterator[DemoOrder]:
    """The orders of the days before today, in the order in which they were placed.

    Args:
        editions: most popular first, at least one.
        today: the store's date; nothing is placed, cancelled, fulfilled or returned on it or later.
        timezone: the store's.
        seed: what to repeat.
        days: how far back.
        orders_per_day: the mean; weekends have more.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not to be secret
    weights = _cumulative_weights(len(editions))
    midnight = dt.datetime.combine(today, dt.time(), tzinfo=timezone)
    for day in range(days):
        date = today - dt.timedelta(days=days - day)
        growth = 1 + _GROWTH_OVER_THE_PERIOD * (day / days - 0.5)
        expected = orders_per_day * _WEEKDAY_WEIGHTS[date.weekday()] * growth
        count = max(1, round(chance.gauss(expected, math.sqrt(expected))))
        baskets = [_basket(chance, editions, weights) for _ in range(count)]
        timed = [(_time_of_day(chance, date, basket.channel, timezone), basket) for basket in baskets]
        for placed_at, basket in sorted(timed, key=lambda pair: pair[0]):
            yield _with_fate(chance, placed_at, basket, until=midnight)


def live_orders(
    *, editions: Sequence[str], seed: int, orders_per_second: float = LIVE_ORDERS_PER_SECOND
) -> Iterator[LiveOrder]:
    """Orders without end, as they would come in: the caller decides when to stop, and does the waiting."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not to be secret
    weights = _cumulative_weights(len(editions))
    while True:  # bounded by its caller, as said
        pause_seconds = min(chance.expovariate(orders_per_second), _LONGEST_PAUSE_SECONDS)
        yield LiveOrder(pause_seconds=pause_seconds, basket=_basket(chance, editions, weights))


def units_by_edition(orders: Iterable[DemoOrder]) -> Counter[str]:
    """How many copies of each edition the orders ask for: with these on the shelf, none can fail for want of stock."""
    units: Counter[str] = Counter()
    for order in orders:
        for line in order.basket.lines:
            units[line.edition] += line.quantity
    return units


def _cumulative_weights(count: int) -> list[float]:
    return list(accumulate((rank + _TAIL_OFFSET) ** -_TAIL_EXPONENT for rank in range(count)))


def _basket(chance: random.Random, editions: Sequence[str], weights: Sequence[float]) -> Basket:
    """Drawing one edition twice gives one line the less, so lines are always different."""
    channel: Channel = "web" if chance.random() < _SHARE_OF_WEB else "pos"
    (wanted,) = chance.choices(range(1, MAX_LINES + 1), _LINE_COUNT_WEIGHTS)
    drawn = dict.fromkeys(chance.choices(editions, cum_weights=weights, k=wanted))
    quantities = chance.choices(list(_QUANTITY_WEIGHTS), list(_QUANTITY_WEIGHTS.values()), k=len(drawn))
    lines = tuple(
        DemoLine(edition=edition, quantity=quantity) for edition, quantity in zip(drawn, quantities, strict=True)
    )
    return Basket(channel=channel, lines=lines)


def _time_of_day(chance: random.Random, date: dt.date, channel: Channel, timezone: ZoneInfo) -> dt.datetime:
    by_hour = _POS_WEIGHT_BY_HOUR if channel == "pos" else _WEB_WEIGHT_BY_HOUR
    (hour,) = chance.choices(list(by_hour), list(by_hour.values()))
    second_of_hour = chance.randrange(3600)
    time = dt.time(hour, second_of_hour // 60, second_of_hour % 60)
    return dt.datetime.combine(date, time, tzinfo=timezone)


def _with_fate(chance: random.Random, placed_at: dt.datetime, basket: Basket, *, until: dt.datetime) -> DemoOrder:
    """What becomes of an order: over the counter it is fulfilled at once, on the web within two days or cancelled.

    Every draw is made whether or not it is used, so that one order's fate does not shift the next one's.
    """
    is_web = basket.channel == "web"
    is_cancelled = chance.random() < _CANCELLED_OF_WEB and is_web
    cancelled_at = placed_at + dt.timedelta(minutes=chance.randrange(5, 240))
    reason = chance.choice(_CANCELLATION_REASONS)
    delay_minutes = chance.randrange(120, 2880) if is_web else chance.randrange(1, 5)
    fulfilled_at = placed_at + dt.timedelta(minutes=delay_minutes)
    is_returned = chance.random() < _RETURNED_OF_FULFILLED
    returned_at = fulfilled_at + dt.timedelta(hours=chance.randrange(20, 480))
    line = chance.choice(basket.lines)
    is_fulfilled = not is_cancelled and fulfilled_at < until
    return DemoOrder(
        placed_at=placed_at,
        basket=basket,
        cancelled=Cancellation(at=cancelled_at, reason=reason) if is_cancelled and cancelled_at < until else None,
        fulfilled_at=fulfilled_at if is_fulfilled else None,
        returned=DemoReturn(at=returned_at, line=line)
        if is_fulfilled and is_returned and returned_at < until
        else None,
    )
