"""`GET /sales`."""

from litestar.handlers import HTTPRouteHandler

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
from read_side.sales.parameters import SalesParameters, resolve
from read_side.sales.queries import SalesByTimeQuery, SalesFigures, fetch_by_dimension, fetch_by_time
from read_side.sales.view import VIEW
from shared_kernel.access.roles import READ_FIGURES
from shared_kernel.clock import Clock, date_in


@query_route(
    "/sales",
    policy=READ_FIGURES,
    cost=5,
    parameters=SalesParameters,
    compresses=True,
    summary="Sales by time or dimension",
)
async def sales(
    request: QueryRequest, queries: NamedDependency[Queries], clock: NamedDependency[Clock]
) -> Response[Envelope[list[SalesFigures]]]:
    """Sums over a range of the store's own days.

    An order counts on the day it was placed; cancellations and returns count on their own, as negatives.

    By hour (at most 31 days), day (400), week (ISO 8601; three years) or month (ten): the buckets that have any
    sales, in order, the whole range at once unless `limit` is given. A week or month that the range cuts has the
    days within it.

    By title, author, publisher, location or channel (at most 400 days): most net sales first, in pages. An order
    counts once for each of them. Each author of a title gets the whole of it, so that authors add up to more than the
    total; titles without a publisher are of none, so that publishers may add up to less.
    """
    tenant = principal_of(request).tenant
    parameters = parse_parameters(request, SalesParameters)
    now = await queries.moment(request, view=VIEW, clock=clock)
    query = resolve(parameters, today=date_in(tenant.timezone, now), currency=tenant.currency)
    if isinstance(query, SalesByTimeQuery):
        return await queries.answer(request, view=VIEW, query=query, fetch=fetch_by_time)
    return await queries.answer(request, view=VIEW, query=query, fetch=fetch_by_dimension)


ROUTES: tuple[HTTPRouteHandler, ...] = (sales,)
