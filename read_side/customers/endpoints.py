"""`GET /customers` and `GET /customers/{id}`."""

from uuid import UUID

from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from read_side.customers.queries import CUSTOMERS, CustomerItem, CustomerQuery, customer_page, one_customer
from read_side.customers.view import VIEW
from read_side.query_execution import (
    Envelope,
    NamedDependency,
    Queries,
    QueryRequest,
    Response,
    parse_list,
    query_route,
)
from shared_kernel.access.roles import SERVE_CUSTOMERS


@query_route("/customers", policy=SERVE_CUSTOMERS, cost=2, parameters=CUSTOMERS, summary="Customers")
async def customers(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[CustomerItem]]]:
    """Who is known to the store, the newest first; those who were erased without a name."""
    return await queries.answer(request, view=VIEW, query=parse_list(request, CUSTOMERS), fetch=customer_page)


@query_route("/customers/{customer_id:uuid}", policy=SERVE_CUSTOMERS, summary="One customer")
async def customer(
    request: QueryRequest, queries: NamedDependency[Queries], customer_id: FromPath[UUID]
) -> Response[Envelope[CustomerItem]]:
    """With their version, which a PATCH asks for."""
    return await queries.answer(request, view=VIEW, query=CustomerQuery(customer_id=customer_id), fetch=one_customer)


ROUTES: tuple[HTTPRouteHandler, ...] = (customers, customer)
