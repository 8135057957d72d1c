"""Stripe's words into ours: pure, and nothing is concluded from what does not add up."""

from typing import Final

from write_side.payments.gateway import (
    Absent,
    Authorized,
    Captured,
    Declined,
    DeclineReason,
    Errand,
    Refunded,
    Result,
    Unknown,
    Voided,
)
from write_side.payments.providers.stripe.reading import malformed
from write_side.payments.providers.stripe.words import BalanceTransaction, Charge, Error, PaymentIntent, Refund

OPERATION: Final = "shelfwise_operation"
PAYMENT: Final = "shelfwise_payment"
TENANT: Final = "shelfwise_tenant"
"""Our marks in an object's metadata."""

_REASONS: Final[dict[str, DeclineReason]] = {
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_cvc": "incorrect_details",
    "incorrect_number": "incorrect_details",
    "invalid_cvc": "incorrect_details",
    "invalid_expiry_month": "incorrect_details",
    "invalid_expiry_year": "incorrect_details",
    "invalid_number": "incorrect_details",
    "authentication_required": "authentication_required",
    "fraudulent": "suspected_fraud",
    "lost_card": "suspected_fraud",
    "stolen_card": "suspected_fraud",
}


def decline_reason(error: Error | None) -> DeclineReason:
    """Our word for why; the finer one where both are known."""
    if error is None:
        return "card_declined"
    codes = (error.decline_code, error.code)
    return next((_REASONS[code] for code in codes if code in _REASONS), "card_declined")


def authorization(intent: PaymentIntent, errand: Errand, body: bytes) -> Result:
    """What came of asking for the amount to be held."""
    fault = _mismatch(intent, errand)
    if fault:
        return malformed(body, fault)
    match intent.status:
        case "requires_capture" if intent.amount_capturable == errand.amount_minor:
            return Authorized(reference=intent.id)
        case "requires_payment_method" | "requires_action":
            return Declined(reason=decline_reason(intent.last_payment_error))
        case "canceled":
            return Declined(reason="too_late")
        case "processing" | "requires_confirmation":
            return Unknown(why="the provider is still at it")
        case _:
            return malformed(body, f"status {intent.status} with another amount than asked for")


def capture(intent: PaymentIntent, errand: Errand, body: bytes) -> Result | Absent:
    """What came of asking for what is held."""
    match intent.status:
        case "succeeded" if intent.amount_received == errand.amount_minor:
            fee = _fee(intent)
            if fee is None:
                return Unknown(why="the fee is not known yet")
            return Captured(amount_minor=intent.amount_received, fee_minor=min(fee, intent.amount_received))
        case "succeeded":
            return malformed(body, "another amount was received than asked for")
        case "canceled":
            return Declined(reason="too_late")
        case _:
            return Absent()


def cancellation(intent: PaymentIntent) -> Result | Absent:
    """What came of letting go."""
    match intent.status:
        case "canceled":
            return Voided()
        case "succeeded":
            return Declined(reason="too_late")
        case _:
            return Absent()


def refund(found: Refund, errand: Errand, body: bytes) -> Result:
    """What came of giving back."""
    if found.amount != errand.amount_minor or found.currency != errand.currency.lower():
        return malformed(body, "another amount was refunded than asked for")
    match found.status:
        case "succeeded" | "pending":
            return Refunded(amount_minor=found.amount)
        case "failed" | "canceled":
            return Declined(reason="not_accepted")
        case _:
            return Unknown(why="the refund waits for somebody")


def is_about(metadata: dict[str, str], errand: Errand) -> bool:
    """Whether an object carries this operation's mark."""
    return metadata.get(OPERATION) == str(errand.operation_id)


def _mismatch(intent: PaymentIntent, errand: Errand) -> str | None:
    if not is_about(intent.metadata, errand):
        return "the answer is about another operation"
    if intent.amount != errand.amount_minor or intent.currency != errand.currency.lower():
        return "the answer is about another amount"
    return None


def _fee(intent: PaymentIntent) -> int | None:
    match intent.latest_charge:
        case Charge(balance_transaction=BalanceTransaction(fee=fee)):
            return fee
        case _:
            return None
