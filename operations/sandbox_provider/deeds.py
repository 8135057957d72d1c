"""What the provider does with money: each deed is decided and booked at once, with the callback that tells of it."""

import time
from collections.abc import Mapping

import msgspec

from operations.sandbox_provider.behaviour import Behaviour
from operations.sandbox_provider.ledger import Intent, Ledger, Refund, make_id
from operations.sandbox_provider.words import Reply, bad, event_words, good, intent_words, refund_words

_DECLINING_TOKENS = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedFraudulent": "fraudulent",
}
_FEE_PER_MILLE = 14
_FIXED_FEE = 20
_MAX_LISTED = 100


class Deeds:
    """One provider's, on its ledger. Call inside `ledger.changing()`."""

    def __init__(self, ledger: Ledger, behaviour: Behaviour) -> None:
        self._ledger = ledger
        self._behaviour = behaviour

    def authorize(self, form: Mapping[str, str]) -> Reply:
        """Hold an amount, or say no."""
        token, amount = form.get("payment_method", ""), _amount(form.get("amount"))
        if amount is None or not token or form.get("capture_method") != "manual" or form.get("confirm") != "true":
            return bad(400, "invalid_request_error", "parameter_invalid")
        declined = _DECLINING_TOKENS.get(token)
        if self._behaviour.next_for("authorize", ("decline",)):
            declined = "generic_decline"
        intent = Intent(
            id=make_id("pi"),
            status="requires_payment_method" if declined else "requires_capture",
            amount=amount,
            captured=0,
            refunded=0,
            fee=0,
            currency=form.get("currency", ""),
            metadata=_metadata(form),
            decline_code=declined,
            created=int(time.time()),
        )
        self._ledger.keep_intent(intent)
        if declined:
            self._tell("payment_intent.payment_failed", intent_words(intent))
            return bad(402, "card_error", "card_declined", decline_code=declined)
        self._tell("payment_intent.amount_capturable_updated", intent_words(intent))
        return good(intent_words(intent))

    def capture(self, intent_id: str, form: Mapping[str, str]) -> Reply:
        """Take what is held, or a part."""
        intent = self._ledger.intent(intent_id)
        if intent is None:
            return bad(404, "invalid_request_error", "resource_missing")
        amount = _amount(form.get("amount_to_capture")) or intent.amount
        if intent.status != "requires_capture" or amount > intent.amount:
            return bad(400, "invalid_request_error", "payment_intent_unexpected_state")
        if self._behaviour.next_for("capture", ("decline",)):
            return bad(402, "card_error", "card_declined", decline_code="generic_decline")
        fee = min(amount, _FIXED_FEE + amount * _FEE_PER_MILLE // 1000)
        captured = msgspec.structs.replace(intent, status="succeeded", captured=amount, fee=fee)
        self._ledger.keep_intent(captured)
        self._tell("payment_intent.succeeded", intent_words(captured))
        return good(intent_words(captured, expanded=True))

    def cancel(self, intent_id: str) -> Reply:
        """Let go of what is held."""
        intent = self._ledger.intent(intent_id)
        if intent is None:
            return bad(404, "invalid_request_error", "resource_missing")
        if intent.status in {"succeeded", "canceled"} or self._behaviour.next_for("void", ("decline",)):
            return bad(400, "invalid_request_error", "payment_intent_unexpected_state")
        canceled = msgspec.structs.replace(intent, status="canceled")
        self._ledger.keep_intent(canceled)
        self._tell("payment_intent.canceled", intent_words(canceled))
        return good(intent_words(canceled))

    def refund(self, form: Mapping[str, str]) -> Reply:
        """Give back what was taken, or a part."""
        intent = self._ledger.intent(form.get("payment_intent", ""))
        if intent is None:
            return bad(404, "invalid_request_error", "resource_missing")
        amount = _amount(form.get("amount")) or intent.captured - intent.refunded
        if intent.status != "succeeded" or not 0 < amount <= intent.captured - intent.refunded:
            return bad(400, "invalid_request_error", "charge_already_refunded")
        if self._behaviour.next_for("refund", ("decline",)):
            return bad(400, "invalid_request_error", "insufficient_funds")
        refund = Refund(
            id=make_id("re"), intent_id=intent.id, amount=amount, metadata=_metadata(form), created=int(time.time())
        )
        self._ledger.keep_refund(refund)
        self._ledger.keep_intent(msgspec.structs.replace(intent, refunded=intent.refunded + amount))
        self._tell("refund.created", refund_words(refund, intent.currency))
        return good(refund_words(refund, intent.currency))

    def find(self, query: str) -> Reply:
        """Payments with a mark: `metadata["name"]:"value"`, the one kind of query that is understood."""
        name, separator, value = query.removeprefix('metadata["').removesuffix('"').partition('"]:"')
        if not separator or not name.isidentifier():
            return bad(400, "invalid_request_error", "search_query_invalid")
        found = [intent_words(intent) for intent in self._ledger.marked(name, value)[:_MAX_LISTED]]
        return good({"object": "search_result", "data": found, "has_more": False})

    def show(self, intent_id: str, *, expanded: bool) -> Reply:
        """One payment."""
        intent = self._ledger.intent(intent_id)
        if intent is None:
            return bad(404, "invalid_request_error", "resource_missing")
        return good(intent_words(intent, expanded=expanded))

    def list_refunds(self, intent_id: str) -> Reply:
        """A payment's refunds."""
        intent = self._ledger.intent(intent_id)
        refunds = [] if intent is None else self._ledger.refunds_of(intent_id)
        words = [refund_words(refund, intent.currency if intent else "") for refund in refunds]
        return good({"object": "list", "data": words[:_MAX_LISTED], "has_more": len(words) > _MAX_LISTED})

    def _tell(self, kind: str, about: dict[str, object]) -> None:
        if self._behaviour.next_for("any", ("callbacks_never",)) is not None:
            return
        late = self._behaviour.next_for("any", ("callbacks_late",))
        twice = self._behaviour.next_for("any", ("callbacks_twice",))
        event_id, body = event_words(kind, about)
        due = time.time() + (late.seconds if late is not None else 0.0)
        self._ledger.keep_callback(event_id, body, due=due, copies=1 if twice is None else 2)


def _amount(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else None


def _metadata(form: Mapping[str, str]) -> dict[str, str]:
    return {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[") and name.endswith("]")}
