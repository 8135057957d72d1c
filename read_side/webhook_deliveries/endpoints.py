"""`GET /webhook-deliveries`."""

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
from read_side.webhook_deliveries.queries import DELIVERIES, WebhookDeliveryItem, delivery_page
from read_side.webhook_deliveries.view import VIEW
from shared_kernel.access.roles import MANAGE_WEBHOOKS


@query_route(
    "/webhook-deliveries",
    policy=MANAGE_WEBHOOKS,
    cost=2,
    as_of=False,
    parameters=DELIVERIES,
    summary="What webhooks were sent",
)
async def webhook_deliveries(
    request: QueryRequest, queries: NamedDependency[Queries]
) -> Response[Envelope[list[WebhookDeliveryItem]]]:
    """Each message to each receiver as its last attempt left it, the latest first."""
    return await queries.page(request, view=VIEW, query=parse_list(request, DELIVERIES), fetch=delivery_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (webhook_deliveries,)
