"""`PaymentGateway` by PaymentIntents with manual capture.

An errand's key is Stripe's idempotency key, so asking again does it once; what is never asked for again is anything
that may have been done under another key.
"""

from http import HTTPStatus
from typing import TypeAlias, assert_never
from urllib.parse import quote

from write_side.payments.gateway import Absent, Declined, Errand, Malformed, Result, Unknown
from write_side.payments.providers.stripe import translation
from write_side.payments.providers.stripe.client import Client, Said, Silence
from write_side.payments.providers.stripe.reading import read
from write_side.payments.providers.stripe.translation import OPERATION, PAYMENT, TENANT
from write_side.payments.providers.stripe.words import (
    Error,
    ErrorAnswer,
    FoundIntents,
    ListedRefunds,
    PaymentIntent,
    Refund,
)

_WITH_FEE = "latest_charge.balance_transaction"
_MAX_REFUNDS = 100
"""A page; a payment with more is looked at by a person."""

_Failure: TypeAlias = Declined | Unknown | Malformed


class StripeGateway:
    """Never raises for what Stripe or the network does."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def perform(self, errand: Errand) -> Result:
        """Do it, or find that it was done under this key."""
        match errand.kind:
            case "authorize":
                return await self._authorize(errand)
            case "capture" | "void":
                return await self._change(errand)
            case "refund":
                return await self._refund(errand)
            case _:
                assert_never(errand.kind)

    async def look_up(self, errand: Errand) -> Result | Absent:
        """What came of it, doing nothing."""
        match errand.kind:
            case "authorize":
                return await self._find(errand)
            case "capture" | "void":
                path = f"/v1/payment_intents/{_segment(errand)}"
                found = _found(await self._client.get(path, {"expand[]": _WITH_FEE}))
                return self._intent(found, errand) if isinstance(found, Said) else found
            case "refund":
                return await self._find_refund(errand)
            case _:
                assert_never(errand.kind)

    async def _authorize(self, errand: Errand) -> Result:
        if errand.token is None:
            # It was deleted because an answer was had: there is nothing left to ask with.
            return Unknown(why="there is no token to ask with")
        form = {
            "amount": f"{errand.amount_minor}",
            "currency": errand.currency.lower(),
            "payment_method": errand.token.text,
            "payment_method_types[]": "card",
            "confirm": "true",
            "capture_method": "manual",
            "error_on_requires_action": "true",
            **_marks(errand),
        }
        said = await self._client.post("/v1/payment_intents", form, idempotency_key=errand.key)
        return self._done(self._intent(said, errand))

    async def _change(self, errand: Errand) -> Result:
        path = f"/v1/payment_intents/{_segment(errand)}"
        if errand.kind == "capture":
            form = {"amount_to_capture": f"{errand.amount_minor}", "expand[]": _WITH_FEE}
            said = await self._client.post(f"{path}/capture", form, idempotency_key=errand.key)
        else:
            form = {"cancellation_reason": "abandoned"}
            said = await self._client.post(f"{path}/cancel", form, idempotency_key=errand.key)
        if _is_refusal(said):
            return self._done(await self.look_up(errand), otherwise=Declined(reason="not_accepted"))
        return self._done(self._intent(said, errand))

    async def _refund(self, errand: Errand) -> Result:
        form = {"payment_intent": errand.reference or "", "amount": f"{errand.amount_minor}", **_marks(errand)}
        said = await self._client.post("/v1/refunds", form, idempotency_key=errand.key)
        if _is_refusal(said):
            return self._done(await self.look_up(errand), otherwise=Declined(reason="not_accepted"))
        heard = _heard(said)
        if not isinstance(heard, Said):
            return heard
        word = read(heard.body, Refund)
        return word if isinstance(word, Malformed) else translation.refund(word, errand, heard.body)

    async def _find(self, errand: Errand) -> Result | Absent:
        query = f'metadata["{OPERATION}"]:"{errand.operation_id}"'
        heard = _found(await self._client.get("/v1/payment_intents/search", {"query": query}))
        if not isinstance(heard, Said):
            return heard
        found = read(heard.body, FoundIntents)
        if isinstance(found, Malformed):
            return found
        ours = next((intent for intent in found.data if translation.is_about(intent.metadata, errand)), None)
        return Absent() if ours is None else translation.authorization(ours, errand, heard.body)

    async def _find_refund(self, errand: Errand) -> Result | Absent:
        query = {"payment_intent": errand.reference or "", "limit": f"{_MAX_REFUNDS}"}
        heard = _found(await self._client.get("/v1/refunds", query))
        if not isinstance(heard, Said):
            return heard
        found = read(heard.body, ListedRefunds)
        if isinstance(found, Malformed):
            return found
        ours = next((one for one in found.data if translation.is_about(one.metadata, errand)), None)
        if ours is not None:
            return translation.refund(ours, errand, heard.body)
        return Unknown(why="more refunds than a page holds") if found.has_more else Absent()

    def _intent(self, said: Said | Silence, errand: Errand) -> Result | Absent:
        heard = _heard(said)
        if not isinstance(heard, Said):
            return heard
        intent = read(heard.body, PaymentIntent)
        if isinstance(intent, Malformed):
            return intent
        match errand.kind:
            case "capture":
                return translation.capture(intent, errand, heard.body)
            case "void":
                return translation.cancellation(intent)
            case _:
                return translation.authorization(intent, errand, heard.body)

    def _done(self, result: Result | Absent, *, otherwise: _Failure | None = None) -> Result:
        if isinstance(result, Absent):
            return otherwise or Unknown(why="the answer does not say that it was done")
        return result


def _found(said: Said | Silence) -> Said | Unknown:
    """The answer to a look; a look that fails says nothing about what it was for."""
    if isinstance(said, Silence):
        return Unknown(why=said.why)
    return said if said.status == HTTPStatus.OK else Unknown(why=f"status {said.status}")


def _heard(said: Said | Silence) -> Said | _Failure:
    """An answer that says what there is, or what its failure means."""
    if isinstance(said, Silence):
        return Unknown(why=said.why)
    if said.status == HTTPStatus.OK:
        return said
    if said.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND}:
        return Unknown(why=f"status {said.status}")
    answer = read(said.body, ErrorAnswer)
    return answer if isinstance(answer, Malformed) else _refused(answer.error, said.status)


def _refused(error: Error, status: int) -> Declined | Unknown:
    if error.type == "card_error":
        return Declined(reason=translation.decline_reason(error))
    if error.type == "invalid_request_error":
        return Declined(reason="not_accepted")
    return Unknown(why=f"status {status}")


def _is_refusal(said: Said | Silence) -> bool:
    """Whether it says that this cannot be done as things stand; things may stand so because it was done."""
    if not isinstance(said, Said) or said.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED}:
        return False
    return isinstance(_heard(said), Declined)


def _marks(errand: Errand) -> dict[str, str]:
    return {
        f"metadata[{OPERATION}]": str(errand.operation_id),
        f"metadata[{PAYMENT}]": str(errand.payment_id),
        f"metadata[{TENANT}]": str(errand.tenant_id),
    }


def _segment(errand: Errand) -> str:
    return quote(errand.reference or "", safe="")
