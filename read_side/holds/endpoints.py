"""`GET /holds`."""

from litestar.handlers import HTTPRouteHandler

from read_side.holds.queries import HOLDS, HoldItem, hold_page
from read_side.holds.view import VIEW
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


@query_route("/holds", policy=READ_OPERATIONS, cost=2, parameters=HOLDS, summary="Holds and special orders")
async def holds(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[HoldItem]]]:
    """Copies put aside or waited for, the longest waiting first."""
    return await queries.page(request, view=VIEW, query=parse_list(request, HOLDS), fetch=hold_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (holds,)
