"""`GET /orders/{id}` and `GET /orders/{id}/timeline`."""

from uuid import UUID

from litestar.handlers import HTTPRouteHandler

from read_side.order_detail.queries import TimelineQuery, fetch_timeline
from read_side.order_detail.view import VIEW, OrderDetail, TimelineEntry
from read_side.query_execution import (
    Envelope,
    FromPath,
    NamedDependency,
    NoParameters,
    Queries,
    QueryRequest,
    Response,
    parse_parameters,
    query_route,
)
from shared_kernel.access.roles import READ_OPERATIONS


@query_route("/orders/{order_id:uuid}", policy=READ_OPERATIONS, summary="One order")
async def order(
    request: QueryRequest, queries: NamedDependency[Queries], order_id: FromPath[UUID]
) -> Response[Envelope[OrderDetail]]:
    """An order with its lines, what left and came back of each, and its timeline."""
    parse_parameters(request, NoParameters)
    return await queries.entity(request, view=VIEW, key=(order_id,))


@query_route("/orders/{order_id:uuid}/timeline", policy=READ_OPERATIONS, summary="What has happened to an order")
async def order_timeline(
    request: QueryRequest, queries: NamedDependency[Queries], order_id: FromPath[UUID]
) -> Response[Envelope[list[TimelineEntry]]]:
    """Oldest first; of a very long story the newest 200 entries."""
    parse_parameters(request, NoParameters)
    return await queries.page(request, view=VIEW, query=TimelineQuery(order_id=order_id), fetch=fetch_timeline)


ROUTES: tuple[HTTPRouteHandler, ...] = (order, order_timeline)
