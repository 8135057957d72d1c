"""`/stock`: of one edition, of all, what is running out, and what it is worth."""

from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from read_side.query_execution import (
    NoParameters,
    Queries,
    QueryRequest,
    parse_list,
    parse_list_with,
    parse_parameters,
    principal_of,
    query_route,
)
from read_side.stock_levels.queries import (
    LOW,
    STOCK,
    LowParameters,
    LowQuery,
    Valuation,
    ValuationQuery,
    low_page,
    stock_page,
    stock_valuation,
)
from read_side.stock_levels.view import VIEW, Stock
from shared_kernel.access.roles import READ_FIGURES, READ_OPERATIONS
from shared_kernel.http.envelope import Envelope


@query_route("/stock/{edition_id:uuid}", policy=READ_OPERATIONS, summary="One edition's stock")
async def edition_stock(
    request: QueryRequest, queries: NamedDependency[Queries], edition_id: FromPath[UUID]
) -> Response[Envelope[Stock]]:
    """What each location has of it, and what is promised."""
    parse_parameters(request, NoParameters)
    return await queries.entity(request, view=VIEW, key=(edition_id,))


@query_route("/stock", policy=READ_OPERATIONS, cost=2, parameters=STOCK, summary="All editions' stock")
async def stock(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[Stock]]]:
    """A row an edition, also where there is none of it."""
    return await queries.page(request, view=VIEW, query=parse_list(request, STOCK), fetch=stock_page)


@query_route(
    "/stock/low",
    policy=READ_OPERATIONS,
    cost=2,
    parameters=LOW,
    own_parameters=LowParameters,
    summary="What is running out",
)
async def low_stock(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[Stock]]]:
    """Editions still for sale, the scarcest first."""
    page, own = parse_list_with(request, LOW, LowParameters)
    return await queries.page(request, view=VIEW, query=LowQuery(page=page, threshold=own.threshold), fetch=low_page)


@query_route("/stock/valuation", policy=READ_FIGURES, cost=5, summary="What the stock is worth")
async def valuation(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[Valuation]]:
    """Copies on hand at their moving average cost."""
    parse_parameters(request, NoParameters)
    query = ValuationQuery(currency=principal_of(request).tenant.currency)
    return await queries.answer(request, view=VIEW, query=query, fetch=stock_valuation)


ROUTES: tuple[HTTPRouteHandler, ...] = (edition_stock, stock, low_stock, valuation)
