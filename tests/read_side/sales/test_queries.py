"""Sums of sales, read from real tables under the read API's own policies."""

from collections import Counter
from datetime import date, datetime, timedelta

import msgspec
import pytest

from projections.sales import PROJECTION
from read_side.query_execution import Answer
from read_side.sales.parameters import SalesParameters, SalesQuery, resolve
from read_side.sales.queries import SalesByTimeQuery, SalesFigures, fetch_by_dimension, fetch_by_time
from read_side.sales.view import VIEW
from shared_kernel.errors import InvalidError
from tests.builders.order_log import EMMA, LONDON, PERSUASION, TENANT, Book, OrderLog, id_of, line
from tests.builders.read_tables import fill_tables, open_snapshot
from tests.servers import Servers

TODAY = date(2009, 12, 10)
OMENS = Book(name="omens", title="Good Omens", authors=("Neil Gaiman", "Terry Pratchett"), price_minor=500)


def _log(tenant: str = "tenant") -> OrderLog:
    """Two weeks: two titles, one of which is renamed, a cancellation and a return."""
    log = OrderLog(id_of(tenant))
    log.place("A", [line(Book(name="emma", title="Ema"), 2), line(OMENS)], at=datetime(2009, 11, 30, 9, tzinfo=LONDON))
    log.place("B", [line(EMMA)], at=datetime(2009, 12, 1, 9, tzinfo=LONDON), channel="pos")
    cancelled = log.place("C", [line(PERSUASION, 3)], at=datetime(2009, 12, 1, 14, tzinfo=LONDON))
    log.cancel(cancelled, at=datetime(2009, 12, 2, 9, tzinfo=LONDON))
    log.take_back([line(EMMA)], at=datetime(2009, 12, 8, 10, tzinfo=LONDON))
    return log


def _ask(**given: object) -> SalesQuery:
    names = {"from": "from_date", "to": "to_date"}
    parameters = SalesParameters(**{names.get(name, name): value for name, value in given.items()})  # type: ignore[arg-type]  # what each test gives
    return resolve(parameters, today=TODAY, currency="GBP")


async def _answer(servers: Servers, query: SalesQuery, tenant: str = "tenant") -> tuple[list[SalesFigures], Answer]:
    async with open_snapshot(servers, VIEW, id_of(tenant)) as snapshot:
        if isinstance(query, SalesByTimeQuery):
            answer = await fetch_by_time(snapshot, query)
        else:
            answer = await fetch_by_dimension(snapshot, query)
    return msgspec.json.decode(answer.data, type=list[SalesFigures]), answer


async def test_days_weeks_months_and_hours_are_sums_of_the_same_orders(servers: Servers) -> None:
    """Buckets with sales only, in their order; a week is ISO's."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    rows, answer = await _answer(servers, _ask(by="day"))
    assert [(row.bucket, row.orders, row.units, row.returned_units, row.net.amount_minor) for row in rows] == [
        ("2009-11-30", 1, 3, 0, 2250),
        ("2009-12-01", 2, 4, 0, 3060),
        ("2009-12-02", -1, -3, 0, -2160),
        ("2009-12-08", 0, 0, 1, -900),
    ]
    assert (answer.has_more, answer.next_cursor, rows[0].net.currency) == (False, None, "GBP")
    buckets = {
        by: [(row.bucket, row.net.amount_minor) for row in (await _answer(servers, _ask(by=by)))[0]]
        for by in ("week", "month")
    }
    assert buckets["week"] == [("2009-W49", 3150), ("2009-W50", -900)]
    assert buckets["month"] == [("2009-11", 2250), ("2009-12", 0)]
    hours, _ = await _answer(servers, _ask(by="hour", **{"from": date(2009, 12, 1), "to": date(2009, 12, 2)}))
    assert [(row.bucket, row.orders) for row in hours] == [("2009-12-01T09", 1), ("2009-12-01T14", 1)]


async def test_the_last_day_is_not_in_the_range(servers: Servers) -> None:
    """`to` is exclusive, `from` is not."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    rows, _ = await _answer(servers, _ask(**{"from": date(2009, 12, 1), "to": date(2009, 12, 2)}))
    assert [row.bucket for row in rows] == ["2009-12-01"]


async def test_titles_come_by_net_sales_under_their_latest_name(servers: Servers) -> None:
    """With what an order of two lines is to each of them; the bucket is the range."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    rows, _ = await _answer(servers, _ask(by="title"))
    assert [(row.id, row.label, row.orders, row.units, row.returned_units, row.net.amount_minor) for row in rows] == [
        (f"{EMMA.edition_id}", "Emma", 2, 3, 1, 1800),
        (f"{OMENS.edition_id}", "Good Omens", 1, 1, 0, 450),
        (f"{PERSUASION.edition_id}", "Persuasion", 0, 0, 0, 0),
    ]
    assert rows[0].bucket == "2009-11-11/2009-12-11"
    assert (rows[0].tax.amount_minor, rows[0].cost.amount_minor) == (200, 1200)


async def test_each_author_of_a_title_gets_the_whole_of_it(servers: Servers) -> None:
    """Ties go by id."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    rows, _ = await _answer(servers, _ask(by="author"))
    assert [(row.id, row.label, row.net.amount_minor) for row in rows] == [
        ("jane austen", "Jane Austen", 1800),
        ("neil gaiman", "Neil Gaiman", 450),
        ("terry pratchett", "Terry Pratchett", 450),
    ]


@pytest.mark.parametrize(("by", "expected"), [("channel", ["web", "pos"]), ("location", ["Shop"])])
async def test_channels_and_locations_are_summed_too(servers: Servers, by: str, expected: list[str]) -> None:
    """By their names."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    rows, _ = await _answer(servers, _ask(by=by))
    assert [row.label for row in rows] == expected


async def test_publishers_are_summed_by_their_latest_spelling(servers: Servers) -> None:
    """What was sold without one is of none."""
    log = OrderLog(id_of("tenant"))
    for name, publisher, day in (("emma", "John Murray", 1), ("persuasion", "JOHN MURRAY", 2), ("omens", None, 2)):
        book = Book(name=name, publisher=publisher)
        log.place(name, [line(book)], at=datetime(2009, 12, day, 9, tzinfo=LONDON))
    await fill_tables(servers, [PROJECTION], [log.events])
    rows, _ = await _answer(servers, _ask(by="publisher"))
    assert [(row.id, row.label, row.orders, row.units, row.net.amount_minor) for row in rows] == [
        ("john murray", "JOHN MURRAY", 2, 2, 1800)
    ]


@pytest.mark.parametrize("by", ["day", "author"])
async def test_pages_put_together_are_the_whole(servers: Servers, by: str) -> None:
    """Each cursor goes on where its page ended, ties included."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    whole, _ = await _answer(servers, _ask(by=by))
    pages: list[SalesFigures] = []
    cursor = None
    for _ in whole:
        rows, answer = await _answer(servers, _ask(by=by, limit=1, cursor=cursor))
        pages += rows
        cursor = answer.next_cursor
        assert answer.has_more is (cursor is not None)
    assert pages == whole
    assert cursor is None


async def test_days_are_those_an_independent_sum_finds(servers: Servers) -> None:
    """Over a year of orders, hour by hour of the day, through both changes of the clocks."""
    log = OrderLog()
    expected: Counter[str] = Counter()
    start = datetime(2010, 1, 1, 0, 30, tzinfo=LONDON)
    for number in range(0, 365 * 24, 17):
        at = (start.astimezone(tz=None) + timedelta(hours=number)).astimezone(LONDON)
        one = line(Book(name=f"book {number % 7}", price_minor=100 + number % 13))
        log.place(f"{number}", [one], at=at)
        expected[at.date().isoformat()] += one.net_minor
    await fill_tables(servers, [PROJECTION], [log.events])
    rows, _ = await _answer(servers, _ask(**{"from": date(2010, 1, 1), "to": date(2011, 1, 1)}))
    assert {row.bucket: row.net.amount_minor for row in rows} == dict(expected)


async def test_another_store_sees_nothing_of_it(servers: Servers) -> None:
    """And a store nobody has projected yet has no sales."""
    await fill_tables(servers, [PROJECTION], [_log().events, _log("other").events[:1]])
    own, _ = await _answer(servers, _ask(), tenant="other")
    nobody, _ = await _answer(servers, _ask(by="title"), tenant="nobody")
    assert ([row.bucket for row in own], nobody) == (["2009-11-30"], [])
    assert id_of("tenant") == TENANT


def test_the_default_range_is_the_last_thirty_days_today_included() -> None:
    """Absolute, so that yesterday's answer is not today's."""
    query = _ask()
    assert (query.from_date, query.to_date) == (date(2009, 11, 11), date(2009, 12, 11))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"from": date(2009, 12, 1), "to": date(2009, 12, 1)}, "empty_range"),
        ({"from": date(2010, 12, 1)}, "empty_range"),
        ({"by": "hour", "from": date(2009, 10, 1)}, "range_too_long"),
        ({"by": "day", "from": date(2008, 1, 1)}, "range_too_long"),
        ({"cursor": "AAAA"}, "invalid_cursor"),
        ({"cursor": "\N{SNOWMAN}"}, "invalid_cursor"),
        ({"by": "title", "cursor": "x"}, "invalid_cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, object], code: str) -> None:
    """With the reason, and the parameter it is about."""
    with pytest.raises(InvalidError) as refused:
        _ask(**given)
    assert [error.code for error in refused.value.errors] == [code]


@pytest.mark.parametrize("name", ["from_date", "to_date"])
def test_dates_no_calendar_can_add_to_are_refused(name: str) -> None:
    """Before arithmetic on them fails."""
    with pytest.raises(ValueError, match=name.partition("_")[0]):
        msgspec.structs.replace(SalesParameters(), **{name: date.max})


async def test_a_cursor_of_another_question_is_refused(servers: Servers) -> None:
    """It would begin in the middle of something else."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    _, answer = await _answer(servers, _ask(by="title", limit=1))
    with pytest.raises(InvalidError):
        _ask(by="author", limit=1, cursor=answer.next_cursor)
