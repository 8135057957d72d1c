"""`/editions`: one, a list, and, with `q`, a search."""

from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from read_side.edition_catalogue.queries import EDITIONS, edition_page
from read_side.edition_catalogue.search import SearchParameters, SearchText, resolve_search, search_editions
from read_side.edition_catalogue.view import SEARCH_VIEW, VIEW, Edition
from read_side.query_execution import (
    NoParameters,
    Queries,
    QueryRequest,
    has_parameter,
    parse_list,
    parse_parameters,
    query_route,
)
from shared_kernel.access.roles import READ_OPERATIONS
from shared_kernel.http.envelope import Envelope


@query_route("/editions/{edition_id:uuid}", policy=READ_OPERATIONS, summary="One edition")
async def edition(
    request: QueryRequest, queries: NamedDependency[Queries], edition_id: FromPath[UUID]
) -> Response[Envelope[Edition]]:
    """The edition as it stands; its version is for `If-Match`."""
    parse_parameters(request, NoParameters)
    return await queries.entity(request, view=VIEW, key=(edition_id,))


@query_route(
    "/editions",
    policy=READ_OPERATIONS,
    cost=2,
    parameters=EDITIONS,
    own_parameters=SearchText,
    summary="The catalogue, or a search in it",
)
async def editions(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[Edition]]]:
    """Without `q` a list, filtered and sorted; with it the best matches first, and neither `sort` nor ranges."""
    if has_parameter(request, "q"):
        search = resolve_search(parse_parameters(request, SearchParameters))
        return await queries.answer(request, view=SEARCH_VIEW, query=search, fetch=search_editions)
    return await queries.page(request, view=VIEW, query=parse_list(request, EDITIONS), fetch=edition_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (edition, editions)
