"""`GET /best-sellers`."""

from datetime import date, timedelta
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from read_side.best_sellers.queries import WINDOW_DAYS, BestSeller, BestSellersQuery, Window, fetch_best_sellers
from read_side.best_sellers.view import VIEW
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


class BestSellersParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How far back, today included, and how many."""

    window: Window = "30d"
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


def resolve(parameters: BestSellersParameters, *, today: date, currency: str) -> BestSellersQuery:
    """The question with absolute dates; that about all time has none, so that its answer outlives the day.

    Args:
        parameters: as given.
        today: by the store's calendar.
        currency: the store's.
    """
    days = WINDOW_DAYS.get(parameters.window)
    to_date = today + timedelta(days=1)
    return BestSellersQuery(
        from_date=to_date - timedelta(days=days) if days else None,
        to_date=to_date if days else None,
        limit=parameters.limit,
        currency=currency,
    )


@query_route(
    "/best-sellers",
    policy=READ_FIGURES,
    cost=5,
    parameters=BestSellersParameters,
    compresses=True,
    summary="Editions that sell most",
)
async def best_sellers(
    request: QueryRequest, queries: NamedDependency[Queries], clock: NamedDependency[Clock]
) -> Response[Envelope[list[BestSeller]]]:
    """By copies, net of cancellations and returns, ties by SKU; windows end with today by the store's calendar."""
    tenant = principal_of(request).tenant
    parameters = parse_parameters(request, BestSellersParameters)
    now = await queries.moment(request, view=VIEW, clock=clock)
    query = resolve(parameters, today=date_in(tenant.timezone, now), currency=tenant.currency)
    return await queries.answer(request, view=VIEW, query=query, fetch=fetch_best_sellers)


ROUTES: tuple[HTTPRouteHandler, ...] = (best_sellers,)
