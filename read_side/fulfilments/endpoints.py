"""`GET /fulfilments`."""

from litestar.handlers import HTTPRouteHandler

from read_side.fulfilments.queries import FULFILMENTS, FulfilmentItem, fulfilment_page
from read_side.fulfilments.view import VIEW
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


@query_route("/fulfilments", policy=READ_OPERATIONS, cost=2, parameters=FULFILMENTS, summary="Fulfilments")
async def fulfilments(
    request: QueryRequest, queries: NamedDependency[Queries]
) -> Response[Envelope[list[FulfilmentItem]]]:
    """What has left for customers, whole orders or parts of them, the latest first."""
    return await queries.page(request, view=VIEW, query=parse_list(request, FULFILMENTS), fetch=fulfilment_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (fulfilments,)
