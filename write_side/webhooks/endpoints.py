"""Webhooks over HTTP. Their owner alone manages them."""

from functools import partial
from typing import Final
from uuid import UUID

from litestar import Response, delete, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from shared_kernel.access.roles import MANAGE_WEBHOOKS
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.routes import declare
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.webhooks import handlers
from write_side.webhooks.commands import (
    CreateWebhook,
    Nothing,
    ReplayDeliveries,
    Replayed,
    WebhookDecided,
    WebhookSecret,
)
from write_side.webhooks.errors import (
    InvalidWebhook,
    TooManyWebhooks,
    WebhookAlreadyDisabled,
    WebhookAlreadyEnabled,
    WebhookNotFound,
)
from write_side.webhooks.signing import WebhookRules


@post(
    "/webhooks",
    opt=declare(policy=MANAGE_WEBHOOKS, cost=2, idempotency="required", errors=(InvalidWebhook, TooManyWebhooks)),
    summary="Tell a receiver what happens",
)
async def create_webhook(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    webhook_rules: NamedDependency[WebhookRules],
    data: JSONBody[CreateWebhook],
) -> Response[CommandEnvelope[WebhookDecided]]:
    """From now on, by the rules of Standard Webhooks 1.0; `POST /webhooks/{id}/secret` shows what it is signed with."""
    return await commands.run(request, "create_webhook", partial(handlers.create_webhook, data, webhook_rules))


@post(
    "/webhooks/{webhook_id:uuid}/secret",
    opt=declare(policy=MANAGE_WEBHOOKS, cost=2, errors=(WebhookNotFound,)),
    status_code=200,
    summary="Show what messages are signed with",
)
async def show_webhook_secret(  # noqa: PLR0917 - Litestar passes them by name
    request: HttpRequest,
    commands: NamedDependency[Commands],
    webhook_rules: NamedDependency[WebhookRules],
    webhook_id: FromPath[UUID],
    data: JSONBody[Nothing],  # noqa: ARG001 - says that the body is empty
) -> Response[CommandEnvelope[WebhookSecret]]:
    """The secret, and for a day after a rotation the one before. It is derived when asked for, and stored nowhere."""
    return await commands.run(request, "show_webhook_secret", partial(handlers.show_secret, webhook_id, webhook_rules))


@post(
    "/webhooks/{webhook_id:uuid}/secret-rotation",
    opt=declare(policy=MANAGE_WEBHOOKS, cost=2, idempotency="required", if_match="accepted", errors=(WebhookNotFound,)),
    status_code=200,
    summary="Sign by a new secret",
)
async def rotate_webhook_secret(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    webhook_id: FromPath[UUID],
    data: JSONBody[Nothing],  # noqa: ARG001 - says that the body is empty
) -> Response[CommandEnvelope[WebhookDecided]]:
    """For a day messages carry both signatures, so that the receiver can change over."""
    return await commands.run(request, "rotate_webhook_secret", partial(handlers.rotate_secret, webhook_id))


@post(
    "/webhooks/{webhook_id:uuid}/disablement",
    opt=declare(
        policy=MANAGE_WEBHOOKS,
        cost=2,
        idempotency="accepted",
        if_match="accepted",
        errors=(WebhookNotFound, WebhookAlreadyDisabled),
    ),
    status_code=200,
    summary="Send nothing more for now",
)
async def disable_webhook(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    webhook_id: FromPath[UUID],
    data: JSONBody[Nothing],  # noqa: ARG001 - says that the body is empty
) -> Response[CommandEnvelope[WebhookDecided]]:
    """What waits is held until it is enabled again; what happens meanwhile is not told."""
    return await commands.run(request, "disable_webhook", partial(handlers.disable_webhook, webhook_id))


@post(
    "/webhooks/{webhook_id:uuid}/enablement",
    opt=declare(
        policy=MANAGE_WEBHOOKS,
        cost=2,
        idempotency="accepted",
        if_match="accepted",
        errors=(WebhookNotFound, WebhookAlreadyEnabled),
    ),
    status_code=200,
    summary="Send again",
)
async def enable_webhook(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    webhook_id: FromPath[UUID],
    data: JSONBody[Nothing],  # noqa: ARG001 - says that the body is empty
) -> Response[CommandEnvelope[WebhookDecided]]:
    """What was held, and what happens from now on."""
    return await commands.run(request, "enable_webhook", partial(handlers.enable_webhook, webhook_id))


@post(
    "/webhooks/{webhook_id:uuid}/replays",
    opt=declare(policy=MANAGE_WEBHOOKS, cost=5, idempotency="required", errors=(WebhookNotFound,)),
    status_code=200,
    summary="Send messages again",
)
async def replay_deliveries(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    webhook_id: FromPath[UUID],
    data: JSONBody[ReplayDeliveries],
) -> Response[CommandEnvelope[Replayed]]:
    """Under the same message ids, at most a thousand at a time; those of the last thirty days are there."""
    return await commands.run(request, "replay_deliveries", partial(handlers.replay_deliveries, webhook_id, data))


@delete(
    "/webhooks/{webhook_id:uuid}",
    opt=declare(policy=MANAGE_WEBHOOKS, cost=2, idempotency="accepted", if_match="accepted", errors=(WebhookNotFound,)),
    status_code=200,
    summary="Forget a receiver",
)
async def delete_webhook(
    request: HttpRequest, commands: NamedDependency[Commands], webhook_id: FromPath[UUID]
) -> Response[CommandEnvelope[WebhookDecided]]:
    """What was still to be sent is not sent."""
    return await commands.run(request, "delete_webhook", partial(handlers.delete_webhook, webhook_id))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    create_webhook,
    show_webhook_secret,
    rotate_webhook_secret,
    disable_webhook,
    enable_webhook,
    replay_deliveries,
    delete_webhook,
)
