"""Locations and stock over HTTP."""

from functools import partial
from typing import Final

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from shared_kernel.access.roles import MANAGE_LOCATIONS, MOVE_STOCK
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.routes import declare
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.inventory import handlers
from write_side.inventory.commands import (
    AdjustStock,
    CountStock,
    LocationDecided,
    MovementDecided,
    OpenLocation,
    ReceiveStock,
    StockDecided,
    TransferStock,
)
from write_side.inventory.errors import CountedBelowReserved, InsufficientStock, InvalidMovement, StockTooLarge


@post(
    "/locations",
    opt=declare(policy=MANAGE_LOCATIONS, cost=2, idempotency="required"),
    summary="Open a location",
)
async def open_location(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[OpenLocation]
) -> Response[CommandEnvelope[LocationDecided]]:
    """A shop or a warehouse: a place that holds stock."""
    return await commands.run(request, "open_location", partial(handlers.open_location, data))


@post(
    "/stock/receipts",
    opt=declare(policy=MOVE_STOCK, cost=5, idempotency="required", errors=(InvalidMovement, StockTooLarge)),
    summary="Take a delivery in",
)
async def receive_stock(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[ReceiveStock]
) -> Response[CommandEnvelope[MovementDecided]]:
    """Copies come in at what they cost."""
    return await commands.run(request, "receive_stock", partial(handlers.receive_stock, data))


@post(
    "/stock/adjustments",
    opt=declare(
        policy=MOVE_STOCK,
        cost=2,
        idempotency="required",
        if_match="accepted",
        errors=(InvalidMovement, InsufficientStock, StockTooLarge),
    ),
    summary="Correct a figure",
)
async def adjust_stock(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[AdjustStock]
) -> Response[CommandEnvelope[StockDecided]]:
    """Copies are fewer or more than the books say, for a reason."""
    return await commands.run(request, "adjust_stock", partial(handlers.adjust_stock, data))


@post(
    "/stock/counts",
    opt=declare(
        policy=MOVE_STOCK,
        cost=2,
        idempotency="required",
        if_match="accepted",
        errors=(InvalidMovement, CountedBelowReserved, StockTooLarge),
    ),
    summary="Count a shelf",
)
async def count_stock(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[CountStock]
) -> Response[CommandEnvelope[StockDecided]]:
    """What was counted is what there is."""
    return await commands.run(request, "count_stock", partial(handlers.count_stock, data))


@post(
    "/stock/transfers",
    opt=declare(
        policy=MOVE_STOCK,
        cost=5,
        idempotency="required",
        errors=(InvalidMovement, InsufficientStock, StockTooLarge),
    ),
    summary="Move copies between locations",
)
async def transfer_stock(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[TransferStock]
) -> Response[CommandEnvelope[MovementDecided]]:
    """Only copies that no order was promised can move."""
    return await commands.run(request, "transfer_stock", partial(handlers.transfer_stock, data))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    open_location,
    receive_stock,
    adjust_stock,
    count_stock,
    transfer_stock,
)
