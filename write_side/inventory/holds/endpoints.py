"""Holds and special orders over HTTP."""

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
from write_side.inventory.errors import InsufficientStock
from write_side.inventory.holds import handlers
from write_side.inventory.holds.commands import CancelHold, HoldDecided, PlaceHold, PlaceSpecialOrder
from write_side.inventory.holds.errors import HoldAlreadyEnded, HoldNotFound, InvalidHold


@post(
    "/holds",
    opt=declare(policy=SELL, cost=2, idempotency="required", errors=(InvalidHold, InsufficientStock)),
    summary="Put copies aside",
)
async def place_hold(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[PlaceHold]
) -> Response[CommandEnvelope[HoldDecided]]:
    """Free copies, that nobody else can order until the hold is collected or cancelled."""
    return await commands.run(request, "place_hold", partial(handlers.place_hold, data))


@post(
    "/special-orders",
    opt=declare(policy=SELL, cost=2, idempotency="required", errors=(InvalidHold,)),
    summary="Wait for copies",
)
async def place_special_order(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[PlaceSpecialOrder]
) -> Response[CommandEnvelope[HoldDecided]]:
    """Copies that arrive go to whoever has waited longest, before they reach the shelf."""
    return await commands.run(request, "place_special_order", partial(handlers.place_special_order, data))


@post(
    "/holds/{hold_id:uuid}/cancellation",
    opt=declare(
        policy=SELL,
        cost=2,
        idempotency="required",
        if_match="accepted",
        errors=(HoldNotFound, HoldAlreadyEnded),
    ),
    status_code=200,
    summary="Cancel a hold or a special order",
)
async def cancel_hold(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    hold_id: FromPath[UUID],
    data: JSONBody[CancelHold],
) -> Response[CommandEnvelope[HoldDecided]]:
    """Its copies go to whoever waits next, or are free again."""
    return await commands.run(request, "cancel_hold", partial(handlers.cancel_hold, hold_id, data))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (place_hold, place_special_order, cancel_hold)
