"""`GET /kpis`."""

from datetime import date, timedelta
from typing import Final, Literal, TypeAlias, assert_never

import msgspec
from litestar.handlers import HTTPRouteHandler

from read_side.kpis.queries import KpiQuery, Kpis, Period, fetch_kpis
from read_side.kpis.view import VIEW
from read_side.query_execution import (
    Envelope,
    NamedDependency,
    Queries,
    QueryRequest,
    Response,
    parse_parameters,
    principal_of,
    query_route,
)
from shared_kernel.access.roles import READ_FIGURES
from shared_kernel.clock import Clock, date_in

PeriodName: TypeAlias = Literal["7d", "30d", "90d", "365d"]
Comparison: TypeAlias = Literal["previous", "year"]
_DAYS: Final[dict[PeriodName, int]] = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}


class KpiParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A period that ends with today, and what to compare it with: the days before it, or a year earlier."""

    period: PeriodName = "30d"
    compare: Comparison = "previous"


def resolve(parameters: KpiParameters, *, today: date, currency: str) -> KpiQuery:
    """Both periods in absolute dates.

    Args:
        parameters: as given.
        today: by the store's calendar; the period's last day.
        currency: the store's.
    """
    to_date = today + timedelta(days=1)
    period = Period(from_date=to_date - timedelta(days=_DAYS[parameters.period]), to_date=to_date)
    return KpiQuery(period=period, compared_with=_earlier(period, parameters.compare), currency=currency)


def _earlier(period: Period, compare: Comparison) -> Period:
    match compare:
        case "previous":
            return Period(from_date=period.from_date - (period.to_date - period.from_date), to_date=period.from_date)
        case "year":
            last_day = period.to_date - timedelta(days=1)
            return Period(from_date=_year_before(period.from_date), to_date=_year_before(last_day) + timedelta(days=1))
        case _:
            assert_never(compare)


def _year_before(day: date) -> date:
    """The same day of the year before; the 28th for the 29th of February."""
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)


@query_route(
    "/kpis", policy=READ_FIGURES, cost=5, parameters=KpiParameters, summary="Figures beside an earlier period's"
)
async def kpis(
    request: QueryRequest, queries: NamedDependency[Queries], clock: NamedDependency[Clock]
) -> Response[Envelope[Kpis]]:
    """Revenue, orders, units, average order value, margin and refund rate; today is a part of the period."""
    tenant = principal_of(request).tenant
    parameters = parse_parameters(request, KpiParameters)
    now = await queries.moment(request, view=VIEW, clock=clock)
    query = resolve(parameters, today=date_in(tenant.timezone, now), currency=tenant.currency)
    return await queries.answer(request, view=VIEW, query=query, fetch=fetch_kpis)


ROUTES: tuple[HTTPRouteHandler, ...] = (kpis,)
