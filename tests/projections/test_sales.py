"""Given orders, cancellations and returns, then sums by bucket and dimension."""

from collections import defaultdict
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given

from projections.sales import PROJECTION, name_id
from read_side.sales.view import SalesRow
from shared_kernel.views import Key
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, LONDON, NOON, PERSUASION, SHOP, Book, OrderLog, id_of, line
from tests.builders.order_streams import order_logs

DAY = ("day", "all", "2009-12-01", "")


def _rows(log: OrderLog) -> dict[Key, SalesRow]:
    return fold(PROJECTION, log.events)


def test_an_order_counts_in_its_day_along_every_dimension_and_in_its_hour() -> None:
    """And nowhere else: hours are asked for in total."""
    log = OrderLog()
    log.place("A", [line(EMMA, 2, discount_minor=100)])
    dimensions = [
        ("all", ""),
        ("author", "jane austen"),
        ("channel", "web"),
        ("location", f"{SHOP}"),
        ("title", f"{EMMA.edition_id}"),
    ]
    rows = _rows(log)
    assert set(rows) == {("day", one, "2009-12-01", identifier) for one, identifier in dimensions} | {
        ("hour", "all", "2009-12-01T12", "")
    }
    assert rows["day", "title", "2009-12-01", f"{EMMA.edition_id}"] == SalesRow(
        grain="day",
        bucket="2009-12-01",
        dimension="title",
        dimension_id=f"{EMMA.edition_id}",
        label="Emma",
        currency="GBP",
        orders=1,
        units=2,
        returned_units=0,
        net_minor=1710,
        tax_minor=190,
        discount_minor=100,
        cost_minor=1200,
    )


def test_an_order_counts_once_for_a_title_it_has_on_two_lines() -> None:
    """Its units and amounts add up."""
    log = OrderLog()
    log.place("A", [line(EMMA, 1, line_id="first"), line(EMMA, 2, line_id="second"), line(PERSUASION)])
    rows = _rows(log)
    title = rows["day", "title", "2009-12-01", f"{EMMA.edition_id}"]
    author = rows["day", "author", "2009-12-01", "jane austen"]
    assert (title.orders, title.units, author.orders, author.units, rows[DAY].orders) == (1, 3, 1, 4, 1)


def test_each_author_gets_the_whole_line_once() -> None:
    """In whatever spelling, and however often, a name stands on it."""
    log = OrderLog()
    log.place("A", [line(Book(name="good omens", authors=("Neil Gaiman", "Terry Pratchett", "NEIL  gaiman")), 3)])
    rows = _rows(log)
    assert rows["day", "author", "2009-12-01", "neil gaiman"].units == 3
    assert rows["day", "author", "2009-12-01", "terry pratchett"].net_minor == rows[DAY].net_minor


def test_a_publisher_is_one_in_whatever_spelling_and_a_line_without_one_counts_for_none() -> None:
    """An order counts once for it, with the copies of its lines alone."""
    log = OrderLog()
    log.place(
        "A",
        [
            line(Book(name="emma", publisher="John Murray"), 2),
            line(Book(name="persuasion", publisher="JOHN  MURRAY")),
            line(Book(name="unbound"), 4),
            line(Book(name="blank", publisher=" ")),
        ],
    )
    found = {key[3]: row for key, row in _rows(log).items() if key[1] == "publisher"}
    assert {(one, row.grain, row.bucket, row.orders, row.units) for one, row in found.items()} == {
        ("john murray", "day", "2009-12-01", 1, 3)
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("  Jane   AUSTEN ", "jane austen"),
        ("Straße", "strasse"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "a"),
        (" ", ""),
    ],
)
def test_names_that_differ_in_case_width_or_spaces_are_one_author(name: str, expected: str) -> None:
    """Names without a letter are no author."""
    assert name_id(name) == expected
    assert len(name_id(name * 300)) <= 200


def test_a_return_counts_on_its_own_day_as_a_negative() -> None:
    """The day of the sale keeps its figures."""
    log = OrderLog()
    log.place("A", [line(EMMA, 3)])
    before = _rows(log)[DAY]
    log.take_back([line(EMMA)], at=NOON + timedelta(days=1))
    rows = _rows(log)
    later = rows["day", "all", "2009-12-02", ""]
    assert rows[DAY] == before
    assert (later.orders, later.units, later.returned_units) == (0, 0, 1)
    assert (later.net_minor, later.tax_minor, later.cost_minor) == (-900, -100, -600)


def test_a_cancellation_takes_back_the_order_too() -> None:
    """On its own day."""
    log = OrderLog()
    log.cancel(log.place("A", [line(EMMA, 3)]), at=NOON + timedelta(days=1))
    later = _rows(log)["day", "all", "2009-12-02", ""]
    assert (later.orders, later.units, later.returned_units, later.net_minor) == (-1, -3, 0, -2700)


def test_a_day_is_the_store_s_own() -> None:
    """Half past midnight in London's summer is still yesterday in UTC; the hour that autumn repeats is one bucket."""
    log = OrderLog()
    log.place("A", [line(EMMA)], at=datetime(2010, 6, 1, 0, 30, tzinfo=LONDON))
    log.place("B", [line(EMMA)], at=datetime(2010, 10, 31, 1, 30, tzinfo=LONDON, fold=0))
    log.place("C", [line(EMMA)], at=datetime(2010, 10, 31, 1, 30, tzinfo=LONDON, fold=1))
    rows = _rows(log)
    assert log.events[0].occurred_at.isoformat() == "2010-05-31T23:30:00+00:00"
    assert rows["hour", "all", "2010-06-01T00", ""].orders == 1
    assert rows["hour", "all", "2010-10-31T01", ""].orders == 2


def test_a_row_is_called_what_the_latest_event_calls_it() -> None:
    """A title may be corrected between two orders."""
    log = OrderLog()
    log.place("A", [line(Book(name="emma", title="Ema"))])
    log.place("B", [line(EMMA)])
    assert _rows(log)["day", "title", "2009-12-01", f"{EMMA.edition_id}"].label == "Emma"


def test_an_order_of_a_thousand_lines_touches_each_row_once() -> None:
    """So that it costs as many steps as it has lines."""
    log = OrderLog()
    log.place("A", [line(Book(name=f"book {number % 500}"), line_id=f"{number}") for number in range(1000)])
    keys = [key for key, _ in PROJECTION.touches(log.events[0])]
    assert len(keys) == len(set(keys)) == 500 + 4 + 1


@given(order_logs())
def test_every_dimension_but_authors_adds_up_to_the_total(log: OrderLog) -> None:
    """Of hours and of days; orders only where an order has one value of the dimension."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 6)
    orders: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in _rows(log).values():
        figures = (row.units, row.returned_units, row.net_minor, row.tax_minor, row.discount_minor, row.cost_minor)
        group = (row.grain, row.dimension, row.bucket)
        sums[group] = [total + figure for total, figure in zip(sums[group], figures, strict=True)]
        orders[group] += row.orders
    for (grain, dimension, bucket), figures_of_group in sums.items():
        if dimension != "author":
            assert figures_of_group == sums[grain, "all", bucket]
        if dimension in {"channel", "location"}:
            assert orders[grain, dimension, bucket] == orders[grain, "all", bucket]


@given(order_logs())
def test_hours_add_up_to_their_day(log: OrderLog) -> None:
    """In total, which is all that they are kept of."""
    hours: dict[str, int] = defaultdict(int)
    days: dict[str, int] = {}
    for row in _rows(log).values():
        if row.grain == "hour":
            assert row.dimension == "all"
            hours[row.bucket[:10]] += row.net_minor
        elif row.dimension == "all":
            days[row.bucket] = row.net_minor
    assert hours == days


@given(order_logs())
def test_what_is_cancelled_and_taken_back_comes_to_nothing(log: OrderLog) -> None:
    """Every order undone on the day it was placed leaves rows of zeros."""
    undone = OrderLog()
    for number, recorded in enumerate(log.events):
        lines = getattr(recorded.event, "lines", ())
        if lines and type(recorded.event).__name__ == "OrderPlaced":
            undone.cancel(undone.place(f"order {number}", lines))
    for row in _rows(undone).values():
        figures = msgspec.structs.asdict(row)
        assert {name: figures[name] for name in figures if isinstance(figures[name], int) and figures[name]} == {}


def test_ids_of_other_places_are_other_rows() -> None:
    """A second location has a row of its own, under its own name."""
    log = OrderLog()
    log.place("A", [line(EMMA)])
    log.place("B", [line(EMMA)], location_id=id_of("depot"), location_name="Depot", channel="pos")
    rows = _rows(log)
    assert rows["day", "location", "2009-12-01", f"{id_of('depot')}"].label == "Depot"
    assert rows["day", "channel", "2009-12-01", "pos"].orders == 1
