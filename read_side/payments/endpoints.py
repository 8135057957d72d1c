"""`GET /payments`."""

from litestar.handlers import HTTPRouteHandler

from read_side.payments.queries import PAYMENTS, PaymentItem, payment_page
from read_side.payments.view import VIEW
from read_side.query_execution import (
    Envelope,
    NamedDependency,
    Queries,
    QueryRequest,
    Response,
    parse_list,
    query_route,
)
from shared_kernel.access.roles import READ_FIGURES


@query_route("/payments", policy=READ_FIGURES, cost=2, parameters=PAYMENTS, summary="Payments")
async def payments(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[PaymentItem]]]:
    """Payments, the latest first unless sorted otherwise. `amount` is compared in minor units."""
    return await queries.page(request, view=VIEW, query=parse_list(request, PAYMENTS), fetch=payment_page)


ROUTES: tuple[HTTPRouteHandler, ...] = (payments,)
