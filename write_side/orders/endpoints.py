"""Orders and returns over HTTP."""

from functools import partial
from typing import Final
from uuid import UUID

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from shared_kernel.access.roles import SELL
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.routes import declare
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.inventory.errors import InsufficientStock, StockTooLarge
from write_side.inventory.holds.errors import HoldAlreadyEnded, HoldNotReady
from write_side.orders import changing, placing, returning
from write_side.orders.commands import (
    CancelOrder,
    FulfilOrder,
    OrderDecided,
    PlaceOrder,
    ReturnDecided,
    ReturnFromOrder,
    ReturnGoods,
)
from write_side.orders.errors import (
    EditionDiscontinued,
    InvalidOrder,
    InvalidReturn,
    OrderAlreadyCancelled,
    OrderAlreadyFulfilled,
    OrderAwaitsPayment,
    OrderNotFound,
    QuantityExceedsRemaining,
)


@post(
    "/orders",
    opt=declare(
        policy=SELL,
        cost=5,
        idempotency="required",
        errors=(InvalidOrder, EditionDiscontinued, InsufficientStock, HoldNotReady, HoldAlreadyEnded),
    ),
    summary="Place an order",
)
async def place_order(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[PlaceOrder]
) -> Response[CommandEnvelope[OrderDecided]]:
    """Prices and taxes are fixed and copies promised, or nothing happens.

    With a `payment_token` the order is confirmed once its total is authorized, and captured when the first copies
    leave; where that fails, everything is undone.
    """
    handler, without_locks = partial(placing.place_order, data), placing.without_locks(data)
    return await commands.run(request, "place_order", handler, without_locks=without_locks)


@post(
    "/orders/{order_id:uuid}/fulfilments",
    opt=declare(
        policy=SELL,
        cost=5,
        idempotency="required",
        if_match="accepted",
        errors=(
            InvalidOrder,
            OrderNotFound,
            OrderAlreadyCancelled,
            OrderAlreadyFulfilled,
            OrderAwaitsPayment,
            QuantityExceedsRemaining,
            InsufficientStock,
        ),
    ),
    summary="Hand copies over",
)
async def fulfil_order(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    order_id: FromPath[UUID],
    data: JSONBody[FulfilOrder],
) -> Response[CommandEnvelope[OrderDecided]]:
    """Those of the lines named, or all that are left."""
    return await commands.run(request, "fulfil_order", partial(changing.fulfil_order, order_id, data))


@post(
    "/orders/{order_id:uuid}/cancellation",
    opt=declare(
        policy=SELL,
        cost=5,
        idempotency="required",
        if_match="accepted",
        errors=(OrderNotFound, OrderAlreadyCancelled, OrderAlreadyFulfilled),
    ),
    status_code=200,
    summary="Cancel an order",
)
async def cancel_order(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    order_id: FromPath[UUID],
    data: JSONBody[CancelOrder],
) -> Response[CommandEnvelope[OrderDecided]]:
    """While nothing of it has left; its copies are free again."""
    return await commands.run(request, "cancel_order", partial(changing.cancel_order, order_id, data))


@post(
    "/orders/{order_id:uuid}/returns",
    opt=declare(
        policy=SELL,
        cost=5,
        idempotency="required",
        if_match="accepted",
        errors=(InvalidOrder, OrderNotFound, OrderAlreadyCancelled, QuantityExceedsRemaining, StockTooLarge),
    ),
    summary="Take goods of an order back",
)
async def return_from_order(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    order_id: FromPath[UUID],
    data: JSONBody[ReturnFromOrder],
) -> Response[CommandEnvelope[ReturnDecided]]:
    """At the price they were sold for; at most what was handed over and has not come back."""
    return await commands.run(request, "return_from_order", partial(returning.return_from_order, order_id, data))


@post(
    "/returns",
    opt=declare(policy=SELL, cost=5, idempotency="required", errors=(InvalidReturn, InvalidOrder, StockTooLarge)),
    summary="Take goods back without a receipt",
)
async def return_goods(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[ReturnGoods]
) -> Response[CommandEnvelope[ReturnDecided]]:
    """At the price that is paid back."""
    return await commands.run(request, "return_goods", partial(returning.return_goods, data))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    place_order,
    fulfil_order,
    cancel_order,
    return_from_order,
    return_goods,
)
