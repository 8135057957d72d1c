"""Given orders, cancellations and returns, then copies sold by edition."""

from collections import Counter
from datetime import timedelta

from hypothesis import given

from projections.best_sellers import PROJECTION
from projections.sales import PROJECTION as SALES
from read_side.best_sellers.view import BestSellerRow
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, NOON, OrderLog, line
from tests.builders.order_streams import order_logs


def test_a_sale_counts_for_all_time_its_month_and_its_day() -> None:
    """Both lines of one edition in one row."""
    log = OrderLog()
    log.place("A", [line(EMMA, 2, line_id="first"), line(EMMA, 1, line_id="second")])
    rows = fold(PROJECTION, log.events)
    assert set(rows) == {
        ("all", "", EMMA.edition_id),
        ("month", "2009-12", EMMA.edition_id),
        ("day", "2009-12-01", EMMA.edition_id),
    }
    assert rows["all", "", EMMA.edition_id] == BestSellerRow(
        span="all",
        bucket="",
        edition_id=EMMA.edition_id,
        sku="SKU-emma",
        title="Emma",
        currency="GBP",
        units=3,
        net_minor=2700,
        ranked_units=3,
    )
    assert rows["month", "2009-12", EMMA.edition_id].ranked_units is None


def test_copies_that_came_back_are_not_sold() -> None:
    """On the day they came back."""
    log = OrderLog()
    log.place("A", [line(EMMA, 3)])
    log.take_back([line(EMMA)], at=NOON + timedelta(days=1))
    rows = fold(PROJECTION, log.events)
    assert rows["day", "2009-12-01", EMMA.edition_id].units == 3
    assert rows["day", "2009-12-02", EMMA.edition_id].units == -1
    assert (rows["all", "", EMMA.edition_id].units, rows["all", "", EMMA.edition_id].net_minor) == (2, 1800)


@given(order_logs())
def test_days_and_months_add_up_to_all_time_and_agree_with_sales(log: OrderLog) -> None:
    """Units net of returns, and net amounts, edition by edition."""
    units: dict[str, Counter[str]] = {"all": Counter(), "month": Counter(), "day": Counter(), "sales": Counter()}
    net: dict[str, Counter[str]] = {"all": Counter(), "month": Counter(), "day": Counter(), "sales": Counter()}
    for sold in fold(PROJECTION, log.events).values():
        units[sold.span][f"{sold.edition_id}"] += sold.units
        net[sold.span][f"{sold.edition_id}"] += sold.net_minor
    for row in fold(SALES, log.events).values():
        if row.grain == "day" and row.dimension == "title":
            units["sales"][row.dimension_id] += row.units - row.returned_units
            net["sales"][row.dimension_id] += row.net_minor
    assert units["all"] == units["month"] == units["day"] == units["sales"]
    assert net["all"] == net["month"] == net["day"] == net["sales"]
