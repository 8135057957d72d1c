"""`webhooks`: one row a receiver, until it is deleted."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never, cast

import msgspec

from projections.fold import AnyRecorded, Projection
from read_side.webhooks.view import VIEW, WebhookRow
from shared_kernel.events.webhooks import (
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookSecretRotated,
)
from shared_kernel.views import Key

WebhookEvent: TypeAlias = WebhookCreated | WebhookSecretRotated | WebhookDisabled | WebhookEnabled | WebhookDeleted


class WebhookNeverCreatedError(LookupError):
    """A webhook's event came without the one that created it: the log is damaged or that event was skipped."""


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, WebhookEvent]]:
    """The webhook's own row."""
    event = cast("WebhookEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.webhook_id,), event)]


def evolve(row: WebhookRow | None, event: WebhookEvent, recorded: AnyRecorded) -> WebhookRow | None:
    """The webhook after the event."""
    if isinstance(event, WebhookCreated):
        return _created(event, recorded)
    if row is None:
        raise WebhookNeverCreatedError(f"{type(event).__name__} at {recorded.position} is of a webhook never created")
    version = recorded.stream_version
    match event:
        case WebhookSecretRotated():
            return msgspec.structs.replace(row, webhook_version=version, previous_secret_until=event.previous_until)
        case WebhookDisabled():
            return msgspec.structs.replace(
                row, webhook_version=version, status="disabled", disabled_reason=event.reason
            )
        case WebhookEnabled():
            return msgspec.structs.replace(row, webhook_version=version, status="enabled", disabled_reason=None)
        case WebhookDeleted():
            return None
        case _:
            assert_never(event)


def _created(event: WebhookCreated, recorded: AnyRecorded) -> WebhookRow:
    return WebhookRow(
        webhook_id=event.webhook_id,
        webhook_version=recorded.stream_version,
        url=event.url,
        event_types=event.event_types,
        description=event.description,
        status="enabled",
        disabled_reason=None,
        previous_secret_until=None,
        created_at=recorded.occurred_at,
    )


PROJECTION = Projection(
    view=VIEW,
    handles=frozenset({WebhookCreated, WebhookSecretRotated, WebhookDisabled, WebhookEnabled, WebhookDeleted}),
    touches=touches,
    evolve=evolve,
)
