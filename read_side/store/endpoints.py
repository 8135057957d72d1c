"""`/store`."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from read_side.query_execution import (
    NoParameters,
    Queries,
    QueryRequest,
    parse_parameters,
    principal_of,
    query_route,
)
from read_side.store.queries import Store, StoreQuery, own_store
from read_side.store.view import VIEW
from shared_kernel.access.roles import READ_OPERATIONS
from shared_kernel.http.envelope import Envelope


@query_route("/store", as_of=False, policy=READ_OPERATIONS, summary="The store and your role in it")
async def store(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[Store]]:
    """Name, currency, time zone: what a front-end asks first."""
    parse_parameters(request, NoParameters)
    return await queries.page(request, view=VIEW, query=StoreQuery(role=principal_of(request).role), fetch=own_store)


ROUTES: tuple[HTTPRouteHandler, ...] = (store,)
