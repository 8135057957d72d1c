"""Stripe's webhooks: an HMAC over the time and the body, and of the body only our own marks.

Source: Stripe, "Verify webhook signatures manually".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from write_side.payments.gateway import Malformed, Notice
from write_side.payments.providers.stripe.reading import malformed, read
from write_side.payments.providers.stripe.translation import PAYMENT, TENANT
from write_side.payments.providers.stripe.words import Event

HEADER: Final = "stripe-signature"
TOLERANCE_SECONDS: Final = 300
"""A callback signed longer ago, or later, may be somebody's recording."""
_MAX_SIGNATURES: Final = 5
_KINDS: Final = {
    "payment_intent.amount_capturable_updated": "authorized",
    "payment_intent.payment_failed": "declined",
    "payment_intent.succeeded": "captured",
    "payment_intent.canceled": "voided",
    "charge.refunded": "refunded",
    "refund.created": "refunded",
}


class StripeCallbacks:
    """Reads them with one endpoint's secret."""

    def __init__(self, *, secret: str) -> None:
        self._secret = secret.encode()

    def read(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Notice | Malformed | None:
        """The notice; None where nobody can vouch for it; Malformed where the sender is right and the shape is not."""
        if not self._is_signed(body, headers.get(HEADER, ""), now):
            return None
        event = read(body, Event)
        if isinstance(event, Malformed):
            return msgspec.structs.replace(event, tenant_id=_tenant_anywhere(body))
        marks = event.data.object.metadata
        tenant_id, payment_id = _uuid(marks.get(TENANT)), _uuid(marks.get(PAYMENT))
        if tenant_id is None:
            return malformed(body, "the callback does not carry our marks")
        return Notice(
            provider_event_id=event.id,
            tenant_id=tenant_id,
            payment_id=payment_id,
            kind=_KINDS.get(event.type, "other"),
            happened_at=datetime.fromtimestamp(event.created, UTC),
        )

    def _is_signed(self, body: bytes, header: str, now: datetime) -> bool:
        parts = [part.strip().partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        signatures = [value for name, _, value in parts if name == "v1"][:_MAX_SIGNATURES]
        if not self._secret or len(times) != 1 or not (times[0].isascii() and times[0].isdigit()):
            return False
        if len(times[0]) > len("9999999999") or abs(int(times[0]) - now.timestamp()) > TOLERANCE_SECONDS:
            return False
        expected = signature(self._secret, times[0], body).encode()
        # Every one is compared, in constant time, so that how long it takes says nothing.
        return max([hmac.compare_digest(expected, each.encode()) for each in signatures], default=False)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The `v1` signature of a body sent at a time."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _tenant_anywhere(body: bytes) -> UUID | None:
    """Our mark, wherever it stands: whose quarantine a body belongs to is worth a search."""
    place = body.find(TENANT.encode())
    if place < 0:
        return None
    window = body[place + len(TENANT) : place + len(TENANT) + 60].decode("latin-1")
    return next((found for part in window.split('"') if (found := _uuid(part)) is not None), None)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
