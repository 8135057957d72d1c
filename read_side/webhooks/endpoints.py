"""`GET /webhooks`."""

from litestar.handlers import HTTPRouteHandler

from read_side.query_execution import (
    Envelope,
    NamedDependency,
    Queries,
    QueryRequest,
    Response,
    parse_list,
    query_route,
)
from read_side.webhooks.queries import WEBHOOKS, WebhookItem, webhook_page
from read_side.webhooks.view import VIEW
from shared_kernel.access.roles import MANAGE_WEBHOOKS


@query_route("/webhooks", policy=MANAGE_WEBHOOKS, cost=2, as_of=False, parameters=WEBHOOKS, summary="Webhooks")
async def webhooks(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[WebhookItem]]]:
    """Who is told of what happens in the store, the newest first."""
    return await queries.page(request, view=VIEW, query=parse_list(request, WEBHOOKS), fetch=webhook_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (webhooks,)
