"""`/stock/movements`."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from read_side.query_execution import Queries, QueryRequest, parse_list, query_route
from read_side.stock_movements.queries import MOVEMENTS, movement_page
from read_side.stock_movements.view import VIEW, StockMovement
from shared_kernel.access.roles import READ_OPERATIONS
from shared_kernel.http.envelope import Envelope


@query_route("/stock/movements", policy=READ_OPERATIONS, cost=2, parameters=MOVEMENTS, summary="Stock movements")
async def stock_movements(
    request: QueryRequest, queries: NamedDependency[Queries]
) -> Response[Envelope[list[StockMovement]]]:
    """Every change of stock there ever was, the latest first."""
    return await queries.page(request, view=VIEW, query=parse_list(request, MOVEMENTS), fetch=movement_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (stock_movements,)
