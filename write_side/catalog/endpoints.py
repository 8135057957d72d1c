"""Editions over HTTP."""

from functools import partial
from typing import Final
from uuid import UUID

from litestar import Response, patch, post, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from shared_kernel.access.roles import MANAGE_CATALOGUE
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.routes import declare
from write_side.catalog import handlers
from write_side.catalog.commands import CreateEdition, DiscontinueEdition, EditionDecided, PriceEdition, ReviseEdition
from write_side.catalog.errors import (
    EditionAlreadyDiscontinued,
    EditionNotFound,
    InvalidEdition,
    IsbnTaken,
    SkuTaken,
)
from write_side.command_execution.commands_over_http import Commands, HttpRequest


@post(
    "/editions",
    opt=declare(policy=MANAGE_CATALOGUE, cost=2, idempotency="required", errors=(InvalidEdition, IsbnTaken, SkuTaken)),
    summary="Begin to sell an edition",
)
async def create_edition(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[CreateEdition]
) -> Response[CommandEnvelope[EditionDecided]]:
    """It needs an ISBN (of 10 or 13 digits) or a SKU; the SKU is the ISBN-13 unless given."""
    return await commands.run(request, "create_edition", partial(handlers.create_edition, data))


@patch(
    "/editions/{edition_id:uuid}",
    opt=declare(
        policy=MANAGE_CATALOGUE,
        cost=2,
        idempotency="accepted",
        if_match="required",
        errors=(InvalidEdition, EditionNotFound),
    ),
    summary="Revise an edition's facts",
)
async def revise_edition(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    edition_id: FromPath[UUID],
    data: JSONBody[ReviseEdition],
) -> Response[CommandEnvelope[EditionDecided]]:
    """A merge patch (RFC 7396): what is absent stays, null removes."""
    return await commands.run(request, "revise_edition", partial(handlers.revise_edition, edition_id, data))


@put(
    "/editions/{edition_id:uuid}/price",
    opt=declare(
        policy=MANAGE_CATALOGUE,
        cost=2,
        idempotency="accepted",
        if_match="required",
        errors=(InvalidEdition, EditionNotFound),
    ),
    summary="Set an edition's list price",
)
async def price_edition(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    edition_id: FromPath[UUID],
    data: JSONBody[PriceEdition],
) -> Response[CommandEnvelope[EditionDecided]]:
    """Orders placed before keep the price they were placed at."""
    return await commands.run(request, "price_edition", partial(handlers.price_edition, edition_id, data))


@post(
    "/editions/{edition_id:uuid}/discontinuation",
    opt=declare(
        policy=MANAGE_CATALOGUE,
        cost=2,
        idempotency="accepted",
        if_match="accepted",
        errors=(EditionAlreadyDiscontinued, EditionNotFound),
    ),
    status_code=200,
    summary="Stop selling an edition",
)
async def discontinue_edition(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    edition_id: FromPath[UUID],
    data: JSONBody[DiscontinueEdition],
) -> Response[CommandEnvelope[EditionDecided]]:
    """Stock and history stay; nobody can order it any more."""
    return await commands.run(request, "discontinue_edition", partial(handlers.discontinue_edition, edition_id, data))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (create_edition, revise_edition, price_edition, discontinue_edition)
