"""`/locations`."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from read_side.locations.queries import LOCATIONS, location_page
from read_side.locations.view import VIEW, LocationRow
from read_side.query_execution import Queries, QueryRequest, parse_list, query_route
from shared_kernel.access.roles import READ_OPERATIONS
from shared_kernel.http.envelope import Envelope


@query_route("/locations", policy=READ_OPERATIONS, cost=2, parameters=LOCATIONS, summary="The store's locations")
async def locations(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[LocationRow]]]:
    """Shops and warehouses, by name."""
    return await queries.page(request, view=VIEW, query=parse_list(request, LOCATIONS), fetch=location_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (locations,)
