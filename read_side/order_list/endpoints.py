"""`GET /orders`."""

from litestar.handlers import HTTPRouteHandler

from read_side.order_list.queries import ORDERS, order_page
from read_side.order_list.view import VIEW, OrderItem
from read_side.query_execution import (
    Envelope,
    NamedDependency,
    Queries,
    QueryRequest,
    Response,
    parse_list,
    query_route,
)
from shared_kernel.access.roles import READ_OPERATIONS


@query_route("/orders", policy=READ_OPERATIONS, cost=2, parameters=ORDERS, summary="Orders")
async def orders(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[OrderItem]]]:
    """Orders, the latest first unless sorted otherwise. `total` is compared in minor units."""
    return await queries.page(request, view=VIEW, query=parse_list(request, ORDERS), fetch=order_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (orders,)
