"""`webhook_deliveries`: one row a message and receiver, as its last attempt left it."""

from collections.abc import Iterable
from typing import cast

from projections.fold import AnyRecorded, Projection
from read_side.webhook_deliveries.view import VIEW, WebhookDeliveryRow
from shared_kernel.events.webhooks import WebhookDeliveryTried
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, WebhookDeliveryTried]]:
    """The delivery's own row."""
    event = cast("WebhookDeliveryTried", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.delivery_id,), event)]


def evolve(_row: WebhookDeliveryRow | None, event: WebhookDeliveryTried, recorded: AnyRecorded) -> WebhookDeliveryRow:
    """The delivery as the attempt left it."""
    return WebhookDeliveryRow(
        delivery_id=event.delivery_id,
        webhook_id=event.webhook_id,
        message_id=event.message_id,
        message_type=event.message_type,
        status=event.status,
        attempts=event.attempts,
        status_code=event.status_code,
        error=event.error,
        duration_milliseconds=event.duration_milliseconds,
        created_at=event.created_at,
        last_attempt_at=recorded.occurred_at,
        next_attempt_at=event.next_attempt_at,
    )


PROJECTION = Projection(view=VIEW, handles=frozenset({WebhookDeliveryTried}), touches=touches, evolve=evolve)
