"""Webhooks: pure decisions."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.errors import FieldError
from shared_kernel.events.webhooks import (
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookSecretRotated,
)
from write_side.webhooks.addresses import target_of
from write_side.webhooks.commands import CreateWebhook, WebhookDecided
from write_side.webhooks.errors import InvalidWebhook, TooManyWebhooks, WebhookAlreadyDisabled, WebhookAlreadyEnabled
from write_side.webhooks.signing import ROTATION_OVERLAP, WebhookRules

MAX_WEBHOOKS = 50
"""Of one store: every public event is written once for each."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver.

    Attributes:
        status: `enabled`, `disabled` or `deleted`.
        secret_number: of the secret in force; its predecessor is too, for a day after `rotated_at`.
        failing_since: of the first attempt since the last that succeeded.
    """

    webhook_id: UUID
    version: int
    url: str
    event_types: tuple[str, ...]
    description: str | None
    status: str
    secret_number: int
    rotated_at: datetime | None
    failing_since: datetime | None = None


def create(
    command: CreateWebhook, *, webhook_id: UUID, existing: int, rules: WebhookRules
) -> tuple[Webhook, WebhookCreated]:
    """A receiver to tell from now on.

    Raises:
        InvalidWebhook: messages may not be sent to its URL.
        TooManyWebhooks: there are as many as there may be.
    """
    try:
        target_of(command.url, allows_loopback=rules.allows_loopback)
    except ValueError as error:
        fault = FieldError(pointer="/url", code="url_not_allowed", detail=f"{error}")
        raise InvalidWebhook("messages cannot be sent to this URL", errors=(fault,)) from None
    if existing >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"a store has {MAX_WEBHOOKS} webhooks at most: delete one first")
    webhook = Webhook(
        webhook_id=webhook_id,
        version=1,
        url=command.url,
        event_types=tuple(dict.fromkeys(command.event_types)),
        description=command.description,
        status="enabled",
        secret_number=1,
        rotated_at=None,
    )
    created = WebhookCreated(
        webhook_id=webhook_id, url=webhook.url, event_types=webhook.event_types, description=webhook.description
    )
    return webhook, created


def rotate(webhook: Webhook, *, now: datetime) -> tuple[Webhook, WebhookSecretRotated]:
    """A new secret; the one before is in force for a day more."""
    rotated = _next(webhook, secret_number=webhook.secret_number + 1, rotated_at=now)
    return rotated, WebhookSecretRotated(webhook_id=webhook.webhook_id, previous_until=now + ROTATION_OVERLAP)


def disable(webhook: Webhook, *, reason: str) -> tuple[Webhook, WebhookDisabled]:
    """Send nothing any more.

    Raises:
        WebhookAlreadyDisabled: nothing is sent.
    """
    if webhook.status != "enabled":
        raise WebhookAlreadyDisabled("this webhook is disabled already")
    return _next(webhook, status="disabled"), WebhookDisabled(webhook_id=webhook.webhook_id, reason=reason)


def enable(webhook: Webhook) -> tuple[Webhook, WebhookEnabled]:
    """Send what waits.

    Raises:
        WebhookAlreadyEnabled: it is sent.
    """
    if webhook.status == "enabled":
        raise WebhookAlreadyEnabled("this webhook is enabled already")
    return _next(webhook, status="enabled", failing_since=None), WebhookEnabled(webhook_id=webhook.webhook_id)


def delete(webhook: Webhook) -> tuple[Webhook, WebhookDeleted]:
    """Forget the receiver."""
    return _next(webhook, status="deleted"), WebhookDeleted(webhook_id=webhook.webhook_id)


def decided(webhook: Webhook) -> WebhookDecided:
    """The webhook as commands answer it."""
    return WebhookDecided(
        id=webhook.webhook_id,
        version=webhook.version,
        url=webhook.url,
        event_types=webhook.event_types,
        description=webhook.description,
        status=webhook.status,
    )


def _next(webhook: Webhook, **changes: object) -> Webhook:
    return msgspec.structs.replace(webhook, version=webhook.version + 1, **changes)
