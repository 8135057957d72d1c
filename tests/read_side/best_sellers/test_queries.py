"""Ranks, read from real tables under the read API's own policies."""

from collections import Counter
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.best_sellers import PROJECTION
from read_side.best_sellers.endpoints import BestSellersParameters, resolve
from read_side.best_sellers.queries import BestSeller, Window, fetch_best_sellers, pieces
from read_side.best_sellers.view import VIEW
from tests.builders.order_log import LONDON, TENANT, Book, OrderLog, id_of, line
from tests.builders.read_tables import fill_tables, open_snapshot
from tests.servers import Servers

TODAY = date(2010, 12, 9)
FIRST = Book(name="first", sku="9780141439587")
SECOND = Book(name="second", sku="B")
THIRD = Book(name="third", sku="A")
UNSOLD = Book(name="unsold")


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=LONDON)


async def _top(servers: Servers, window: Window, *, limit: int = 100, tenant_id: UUID = TENANT) -> list[BestSeller]:
    query = resolve(BestSellersParameters(window=window, limit=limit), today=TODAY, currency="GBP")
    async with open_snapshot(servers, VIEW, tenant_id) as snapshot:
        answer = await fetch_best_sellers(snapshot, query)
    return msgspec.json.decode(answer.data, type=list[BestSeller])


def _log() -> OrderLog:
    """This week the first leads, the week before the second did; two are always tied; one is only returned."""
    log = OrderLog()
    log.place("A", [line(SECOND, 9), line(FIRST, 3)], at=_noon(TODAY - timedelta(days=7)))
    log.place("B", [line(FIRST, 5), line(SECOND, 2), line(THIRD, 2)], at=_noon(TODAY - timedelta(days=6)))
    log.place("C", [line(THIRD, 4)], at=_noon(TODAY))
    log.take_back([line(THIRD, 4), line(UNSOLD)], at=_noon(TODAY))
    return log


async def test_ranks_are_by_copies_net_of_returns_and_ties_by_sku(servers: Servers) -> None:
    """Beside the rank in the same time before."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    top = await _top(servers, "7d")
    assert [(one.rank, one.previous_rank, one.edition_id, one.units) for one in top] == [
        (1, 2, FIRST.edition_id, 5),
        (2, None, THIRD.edition_id, 2),
        (3, 1, SECOND.edition_id, 2),
    ]
    assert [one.isbn13 for one in top] == ["9780141439587", None, None]
    assert (top[0].title, top[0].net.amount_minor, top[0].net.currency) == ("First", 4500, "GBP")


async def test_all_time_has_no_time_before_it(servers: Servers) -> None:
    """What was only ever returned has no rank."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    assert [(one.rank, one.previous_rank, one.edition_id, one.units) for one in await _top(servers, "all")] == [
        (1, None, SECOND.edition_id, 11),
        (2, None, FIRST.edition_id, 8),
        (3, None, THIRD.edition_id, 2),
    ]
    assert len(await _top(servers, "all", limit=2)) == len(await _top(servers, "7d", limit=2)) == 2


async def test_a_year_of_months_and_days_agrees_with_an_independent_sum(servers: Servers) -> None:
    """Both windows, to the day at each end."""
    log = OrderLog()
    units: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for number in range(0, 760, 3):
        day = TODAY - timedelta(days=number)
        book = Book(name=f"book {number * 7 % 11}", sku=f"{number * 7 % 11:02d}")
        log.place(f"{number}", [line(book, 1 + number % 5)], at=_noon(day))
        if number < 2 * 365:
            units[number < 365][book.sku] += 1 + number % 5
    await fill_tables(servers, [PROJECTION], [log.events])
    expected = sorted(units[True].items(), key=lambda item: (-item[1], item[0]))
    before = sorted(units[False].items(), key=lambda item: (-item[1], item[0]))
    ranks = {sku: rank for rank, (sku, _) in enumerate(before, start=1)}
    assert [(one.title, one.units, one.previous_rank) for one in await _top(servers, "365d")] == [
        (f"Book {int(sku)}", count, ranks.get(sku)) for sku, count in expected
    ]


async def test_another_store_sees_nothing_of_it(servers: Servers) -> None:
    """In no window."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    assert [await _top(servers, window, tenant_id=id_of("other")) for window in ("all", "7d")] == [[], []]


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 800))
def test_pieces_cover_every_day_of_a_range_once(first: date, days: int) -> None:
    """Months only where they are whole."""
    end = first + timedelta(days=days)
    covered: list[str] = []
    for piece in pieces(first, end):
        length = len("2009-12") if piece.span == "month" else len("2009-12-01")
        covered += [
            f"{day}"
            for day in (first - timedelta(days=40) + timedelta(days=number) for number in range(days + 80))
            if piece.first_bucket <= f"{day}"[:length] < piece.end_bucket
        ]
    assert covered == [f"{first + timedelta(days=number)}" for number in range(days)]
    assert len(pieces(first, end)) <= 3


@pytest.mark.parametrize("window", ["7d", "30d", "365d"])
def test_a_window_ends_with_today(window: Window) -> None:
    """And has as many days as it says."""
    query = resolve(BestSellersParameters(window=window), today=TODAY, currency="GBP")
    assert query.from_date is not None
    assert query.to_date == TODAY + timedelta(days=1)
    assert f"{(query.to_date - query.from_date).days}d" == window
