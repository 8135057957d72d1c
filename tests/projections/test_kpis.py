"""Given orders, cancellations and returns, then a row of figures a day."""

from datetime import date, timedelta

from hypothesis import given

from projections.kpis import PROJECTION
from projections.sales import PROJECTION as SALES
from read_side.kpis.view import KpiDayRow
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, NOON, OrderLog, line
from tests.builders.order_streams import order_logs


def test_a_day_sums_what_was_placed_cancelled_and_returned_on_it() -> None:
    """Whenever it was placed."""
    log = OrderLog()
    earlier = log.place("A", [line(EMMA, 2)], at=NOON - timedelta(days=1))
    log.place("B", [line(EMMA, 3)])
    log.cancel(earlier)
    log.take_back([line(EMMA)])
    assert fold(PROJECTION, log.events)[date(2009, 12, 1),] == KpiDayRow(
        day=date(2009, 12, 1),
        currency="GBP",
        orders=0,
        cancelled_orders=1,
        units=1,
        returned_units=1,
        net_minor=0,
        returned_net_minor=900,
        tax_minor=0,
        cost_minor=0,
    )


@given(order_logs())
def test_a_day_s_figures_are_those_of_sales_by_day(log: OrderLog) -> None:
    """Two projections, one rule."""
    sales = {
        row.bucket: (row.orders, row.units, row.returned_units, row.net_minor, row.tax_minor, row.cost_minor)
        for row in fold(SALES, log.events).values()
        if (row.grain, row.dimension) == ("day", "all")
    }
    kpis = {
        row.day.isoformat(): (
            row.orders,
            row.units,
            row.returned_units,
            row.net_minor,
            row.tax_minor,
            row.cost_minor,
        )
        for row in fold(PROJECTION, log.events).values()
    }
    assert kpis == sales
