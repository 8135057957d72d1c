"""Stream `webhook` (id: the endpoint's) and stream `webhook_delivery` (id: the delivery's)."""

from datetime import datetime
from uuid import UUID

from shared_kernel.events.envelope import Event


class WebhookCreated(Event, frozen=True, kw_only=True):
    """A receiver is told of events of these types; of every public type where there are none."""

    stream_type = "webhook"

    webhook_id: UUID
    url: str
    event_types: tuple[str, ...]
    description: str | None


class WebhookSecretRotated(Event, frozen=True, kw_only=True):
    """Messages are signed by a new secret; until `previous_until` by the one before as well."""

    stream_type = "webhook"

    webhook_id: UUID
    previous_until: datetime


class WebhookDisabled(Event, frozen=True, kw_only=True):
    """Nothing is sent any more. `reason` is `asked`, `gone` (it answered 410) or `failing` (for days)."""

    stream_type = "webhook"

    webhook_id: UUID
    reason: str


class WebhookEnabled(Event, frozen=True, kw_only=True):
    """What waits is sent again."""

    stream_type = "webhook"

    webhook_id: UUID


class WebhookDeleted(Event, frozen=True, kw_only=True):
    """The receiver is forgotten; what was still to be sent is not sent."""

    stream_type = "webhook"

    webhook_id: UUID


class WebhookDeliveryTried(Event, frozen=True, kw_only=True):
    """One attempt to deliver one message.

    `status` is the delivery's from here on: `delivered`, `retrying` (at `next_attempt_at`) or `failed`. `status_code`
    is what the receiver answered, null where it did not; then `error` names why.
    """

    stream_type = "webhook_delivery"

    delivery_id: UUID
    webhook_id: UUID
    message_id: str
    message_type: str
    created_at: datetime
    attempts: int
    status: str
    status_code: int | None
    error: str | None
    duration_milliseconds: int
    next_attempt_at: datetime | None
