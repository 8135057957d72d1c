"""Customers over HTTP."""

from functools import partial
from typing import Final
from uuid import UUID

from litestar import Response, patch, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from shared_kernel.access.roles import ERASE_CUSTOMERS, SERVE_CUSTOMERS
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.routes import declare
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.customers import handlers
from write_side.customers.commands import CustomerDecided, EraseCustomer, RegisterCustomer, ReviseCustomer
from write_side.customers.errors import CustomerAlreadyErased, CustomerNotFound


@post(
    "/customers",
    opt=declare(policy=SERVE_CUSTOMERS, cost=2, idempotency="required"),
    summary="Make somebody known to the store",
)
async def register_customer(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[RegisterCustomer]
) -> Response[CommandEnvelope[CustomerDecided]]:
    """The answer repeats nothing personal: it is kept for retries, and what is personal is in one place only."""
    return await commands.run(request, "register_customer", partial(handlers.register_customer, data))


@patch(
    "/customers/{customer_id:uuid}",
    opt=declare(
        policy=SERVE_CUSTOMERS,
        cost=2,
        idempotency="accepted",
        if_match="required",
        errors=(CustomerNotFound, CustomerAlreadyErased),
    ),
    summary="Revise what is known of a customer",
)
async def revise_customer(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    customer_id: FromPath[UUID],
    data: JSONBody[ReviseCustomer],
) -> Response[CommandEnvelope[CustomerDecided]]:
    """A merge patch (RFC 7396), of consent too: what is absent stays, null removes."""
    return await commands.run(request, "revise_customer", partial(handlers.revise_customer, customer_id, data))


@post(
    "/customers/{customer_id:uuid}/erasure",
    opt=declare(
        policy=ERASE_CUSTOMERS,
        cost=2,
        idempotency="accepted",
        if_match="accepted",
        errors=(CustomerNotFound, CustomerAlreadyErased),
    ),
    status_code=200,
    summary="Forget who a customer is",
)
async def erase_customer(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    customer_id: FromPath[UUID],
    data: JSONBody[EraseCustomer],  # noqa: ARG001 - says that the body is empty
) -> Response[CommandEnvelope[CustomerDecided]]:
    """Name, addresses and numbers are deleted here and in the views; orders stay, without a name."""
    return await commands.run(request, "erase_customer", partial(handlers.erase_customer, customer_id))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (register_customer, revise_customer, erase_customer)
