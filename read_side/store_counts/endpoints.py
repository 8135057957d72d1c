"""`GET /store-counts`."""

from litestar.handlers import HTTPRouteHandler

from read_side.query_execution import (
    Envelope,
    NamedDependency,
    NoParameters,
    Queries,
    QueryRequest,
    Response,
    parse_parameters,
    query_route,
)
from read_side.store_counts.view import STORE, VIEW, StoreCounts
from shared_kernel.access.roles import READ_OPERATIONS


@query_route("/store-counts", policy=READ_OPERATIONS, summary="Exact counts of the store")
async def store_counts(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[StoreCounts]]:
    """Orders by status, editions and locations, each counted exactly."""
    parse_parameters(request, NoParameters)
    return await queries.entity(request, view=VIEW, key=(STORE,))


ROUTES: tuple[HTTPRouteHandler, ...] = (store_counts,)
