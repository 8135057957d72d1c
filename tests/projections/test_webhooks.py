"""Given webhooks' events, then receivers and what each was sent."""

from datetime import timedelta

import pytest

from projections.webhook_deliveries import PROJECTION as DELIVERIES
from projections.webhooks import PROJECTION, WebhookNeverCreatedError
from shared_kernel.events.webhooks import (
    WebhookCreated,
    WebhookDeleted,
    WebhookDeliveryTried,
    WebhookDisabled,
    WebhookEnabled,
    WebhookSecretRotated,
)
from tests.builders.folding import fold
from tests.builders.order_log import NOON, OrderLog, id_of

HOOK = id_of("webhook")
DELIVERY = id_of("delivery")
UNTIL = NOON + timedelta(days=1)


def test_a_receiver_is_there_until_it_is_deleted() -> None:
    """Why it was disabled goes when it is enabled; until when the secret before signs too stays."""
    log = OrderLog()
    seen = []
    created = WebhookCreated(webhook_id=HOOK, url="https://a.example/", event_types=("order.placed",), description=None)
    for event in (
        created,
        WebhookSecretRotated(webhook_id=HOOK, previous_until=UNTIL),
        WebhookDisabled(webhook_id=HOOK, reason="gone"),
        WebhookEnabled(webhook_id=HOOK),
    ):
        log.append(event, HOOK)
        (row,) = fold(PROJECTION, log.events).values()
        assert (row.url, row.event_types, row.created_at) == (created.url, created.event_types, NOON)
        seen.append((row.webhook_version, row.status, row.disabled_reason, row.previous_secret_until))
    assert seen == [
        (1, "enabled", None, None),
        (2, "enabled", None, UNTIL),
        (3, "disabled", "gone", UNTIL),
        (4, "enabled", None, UNTIL),
    ]
    log.append(WebhookDeleted(webhook_id=HOOK), HOOK)
    assert fold(PROJECTION, log.events) == {}


def test_a_webhook_that_was_never_created_is_told() -> None:
    """The fold names what is wrong and where."""
    log = OrderLog()
    log.append(WebhookEnabled(webhook_id=HOOK), HOOK)
    with pytest.raises(WebhookNeverCreatedError, match="WebhookEnabled at 1"):
        fold(PROJECTION, log.events)


def test_a_delivery_is_as_its_last_attempt_left_it() -> None:
    """When it was made stays; when it is tried again goes once it was delivered."""
    log = OrderLog()
    for attempts, status, code, error in (
        (1, "retrying", None, "timeout"),
        (2, "retrying", 503, None),
        (3, "delivered", 200, None),
    ):
        tried = WebhookDeliveryTried(
            delivery_id=DELIVERY,
            webhook_id=HOOK,
            message_id="msg_1",
            message_type="order.placed",
            created_at=NOON,
            attempts=attempts,
            status=status,
            status_code=code,
            error=error,
            duration_milliseconds=7,
            next_attempt_at=UNTIL if status == "retrying" else None,
        )
        at = NOON + timedelta(minutes=attempts)
        log.append(tried, DELIVERY, at)
        row = fold(DELIVERIES, log.events)[DELIVERY,]
        assert (row.attempts, row.status, row.status_code, row.error) == (attempts, status, code, error)
        assert (row.created_at, row.last_attempt_at, row.next_attempt_at) == (NOON, at, tried.next_attempt_at)
