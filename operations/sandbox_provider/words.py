"""Answers in the provider's words."""

import time

import msgspec

from operations.sandbox_provider.ledger import Intent, Refund, make_id


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back."""

    status: int
    body: bytes
    content_type: str = "application/json"


def intent_words(intent: Intent, *, expanded: bool = False) -> dict[str, object]:
    """A PaymentIntent; with its charge and what that cost where they were asked for."""
    charge_id = f"ch_{intent.id.removeprefix('pi_')}"
    balance = (
        {"id": f"txn_{charge_id}", "object": "balance_transaction", "fee": intent.fee} if intent.captured else None
    )
    charge = {"id": charge_id, "object": "charge", "balance_transaction": balance} if expanded else charge_id
    failed = {"type": "card_error", "code": "card_declined", "decline_code": intent.decline_code}
    return {
        "id": intent.id,
        "object": "payment_intent",
        "status": intent.status,
        "amount": intent.amount,
        "amount_capturable": intent.amount if intent.status == "requires_capture" else 0,
        "amount_received": intent.captured,
        "currency": intent.currency,
        "capture_method": "manual",
        "created": intent.created,
        "metadata": intent.metadata,
        "latest_charge": None if intent.decline_code else charge,
        "last_payment_error": failed if intent.decline_code else None,
    }


def refund_words(refund: Refund, currency: str) -> dict[str, object]:
    """A Refund."""
    return {
        "id": refund.id,
        "object": "refund",
        "status": "succeeded",
        "amount": refund.amount,
        "currency": currency,
        "payment_intent": refund.intent_id,
        "created": refund.created,
        "metadata": refund.metadata,
    }


def event_words(kind: str, about: dict[str, object]) -> tuple[str, bytes]:
    """A webhook event's id and body."""
    event_id = make_id("evt")
    event = {"id": event_id, "object": "event", "type": kind, "created": int(time.time()), "data": {"object": about}}
    return event_id, msgspec.json.encode(event)


def good(words: dict[str, object]) -> Reply:
    """It was done."""
    return Reply(status=200, body=msgspec.json.encode(words))


def bad(status: int, kind: str, code: str, *, decline_code: str | None = None) -> Reply:
    """It was not."""
    error = {"type": kind, "code": code, "message": "The sandbox says no.", "decline_code": decline_code}
    return Reply(status=status, body=msgspec.json.encode({"error": error}))


def page() -> Reply:
    """What stands in the way of many an API one day."""
    return Reply(status=200, body=b"<html><body>We'll be back soon.</body></html>", content_type="text/html")
