"""What Stripe says, as far as we listen: a field that is missing or of another type makes the answer malformed.

Source: Stripe API reference, PaymentIntents, Refunds, Errors, Events.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Amount: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class BalanceTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge brought and cost."""

    fee: Amount


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """The charge behind a PaymentIntent, expanded."""

    id: Id
    balance_transaction: BalanceTransaction | str | None = None


class PaymentIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One payment."""

    id: Id
    object: Literal["payment_intent"]
    status: Literal[
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "processing",
        "requires_capture",
        "canceled",
        "succeeded",
    ]
    amount: Amount
    amount_capturable: Amount
    amount_received: Amount
    currency: str
    metadata: dict[str, str]
    latest_charge: Charge | str | None = None
    last_payment_error: "Error | None" = None


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, by type and code; its message is for people and not kept."""

    type: str
    code: str | None = None
    decline_code: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer from 400 on."""

    error: Error


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back."""

    id: Id
    object: Literal["refund"]
    status: Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
    amount: Amount
    currency: str
    metadata: dict[str, str]


class FoundIntents(msgspec.Struct, frozen=True, kw_only=True):
    """A search's answer."""

    object: Literal["search_result"]
    data: tuple[PaymentIntent, ...]


class ListedRefunds(msgspec.Struct, frozen=True, kw_only=True):
    """A payment's refunds."""

    object: Literal["list"]
    data: tuple[Refund, ...]
    has_more: bool


class EventObject(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is about: of it we read only our own marks."""

    metadata: dict[str, str]


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event keeps what it is about."""

    object: EventObject


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A callback's body."""

    id: Id
    object: Literal["event"]
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    created: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    data: EventData
