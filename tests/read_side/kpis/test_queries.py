"""Figures beside an earlier period's, read from a real table under the read API's own policies."""

from datetime import date, datetime, timedelta

import msgspec
import pytest

from projections.kpis import PROJECTION
from read_side.kpis.endpoints import Comparison, KpiParameters, PeriodName, resolve
from read_side.kpis.queries import Kpis, Period, Sums, fetch_kpis, kpis_of
from read_side.kpis.view import VIEW
from tests.builders.order_log import EMMA, LONDON, TENANT, OrderLog, id_of, line
from tests.builders.read_tables import fill_tables, open_snapshot
from tests.servers import Servers

TODAY = date(2010, 3, 15)
NOTHING = Sums(orders=0, units=0, net_minor=0, returned_net_minor=0, cost_minor=0)


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=LONDON)


async def _kpis(
    servers: Servers, *, period: PeriodName = "7d", compare: Comparison = "previous", tenant: str = "tenant"
) -> Kpis:
    query = resolve(KpiParameters(period=period, compare=compare), today=TODAY, currency="GBP")
    async with open_snapshot(servers, VIEW, id_of(tenant)) as snapshot:
        answer = await fetch_kpis(snapshot, query)
    return msgspec.json.decode(answer.data, type=Kpis)


def _log() -> OrderLog:
    log = OrderLog()
    log.place("a year ago", [line(EMMA)], at=_noon(date(2009, 3, 15)))
    log.place("long ago", [line(EMMA, 50)], at=_noon(TODAY - timedelta(days=14)))
    log.place("first day before", [line(EMMA, 4)], at=_noon(TODAY - timedelta(days=13)))
    log.place("last day before", [line(EMMA, 4)], at=_noon(TODAY - timedelta(days=7)))
    log.place("first day", [line(EMMA, 6)], at=_noon(TODAY - timedelta(days=6)))
    log.cancel(log.place("cancelled", [line(EMMA, 9)], at=_noon(TODAY)), at=_noon(TODAY))
    log.place("today", [line(EMMA, 3)], at=_noon(TODAY))
    log.take_back([line(EMMA)], at=_noon(TODAY))
    return log


async def test_figures_are_of_the_period_and_beside_those_of_the_days_before(servers: Servers) -> None:
    """To the day at both ends; what was cancelled is as if it had never been."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    figures = await _kpis(servers)
    assert figures.period == Period(from_date=date(2010, 3, 9), to_date=date(2010, 3, 16))
    assert figures.compared_with == Period(from_date=date(2010, 3, 2), to_date=date(2010, 3, 9))
    assert (figures.revenue.current.amount_minor, figures.revenue.previous.amount_minor) == (7200, 7200)
    assert figures.revenue.delta_percent == 0.0
    assert (figures.orders.current, figures.orders.previous) == (2, 2)
    assert (figures.units.current, figures.units.previous, figures.units.delta_percent) == (9, 8, 12.5)
    assert figures.average_order_value.current is not None
    assert figures.average_order_value.current.amount_minor == 3600
    assert (figures.margin.current.amount_minor, figures.margin.current.currency) == (7200 - 8 * 600, "GBP")
    assert (figures.refund_rate.current, figures.refund_rate.previous) == (11.1, 0.0)
    assert figures.refund_rate.delta_percent is None


async def test_a_year_earlier_is_the_same_days_of_the_year_before(servers: Servers) -> None:
    """Not fifty-two weeks earlier."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    figures = await _kpis(servers, compare="year")
    assert figures.compared_with == Period(from_date=date(2009, 3, 9), to_date=date(2009, 3, 16))
    assert (figures.orders.previous, figures.orders.delta_percent) == (1, 100.0)


async def test_a_store_without_orders_has_zeros_and_no_averages(servers: Servers) -> None:
    """Also beside a store that has some."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    figures = await _kpis(servers, tenant="other")
    assert (figures.revenue.current.amount_minor, figures.orders.current) == (0, 0)
    assert (figures.average_order_value.current, figures.refund_rate.current) == (None, None)
    assert figures.revenue.delta_percent is None
    assert id_of("tenant") == TENANT


@pytest.mark.parametrize(
    ("current", "previous", "expected"),
    [(150, 100, 50.0), (50, 100, -50.0), (100, -100, 200.0), (1, 3, -66.7), (5, 0, None)],
)
def test_the_change_is_in_percent_of_what_was_before(current: int, previous: int, expected: float | None) -> None:
    """Better is above zero, also where before was below it."""
    query = resolve(KpiParameters(), today=TODAY, currency="GBP")
    sums = [msgspec.structs.replace(NOTHING, net_minor=net_minor) for net_minor in (current, previous)]
    assert kpis_of(query, *sums).revenue.delta_percent == expected


@pytest.mark.parametrize(("net_minor", "expected"), [(5, 2), (7, 4), (-5, -2)])
def test_an_average_is_rounded_half_to_even(net_minor: int, expected: int) -> None:
    """To the nearest minor unit."""
    sums = msgspec.structs.replace(NOTHING, net_minor=net_minor, orders=2)
    assert sums.average_minor == expected


@pytest.mark.parametrize(
    ("today", "last_day"),
    [
        (date(2012, 2, 27), date(2011, 2, 27)),
        (date(2012, 2, 28), date(2011, 2, 28)),
        (date(2012, 2, 29), date(2011, 2, 28)),
        (date(2012, 3, 1), date(2011, 3, 1)),
        (date(2013, 2, 28), date(2012, 2, 28)),
    ],
)
def test_a_year_before_a_leap_day_is_the_28th(today: date, last_day: date) -> None:
    """There is no 29th to compare with; the day before it keeps its own day, although `to` is exclusive."""
    query = resolve(KpiParameters(period="7d", compare="year"), today=today, currency="GBP")
    assert query.compared_with.to_date == last_day + timedelta(days=1)
