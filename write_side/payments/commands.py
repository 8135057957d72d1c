"""Intents about payments, and what they answer."""

from typing import Annotated
from uuid import UUID

import msgspec

from shared_kernel.money import MAX_MINOR, CurrencyCode, Money

PositiveMinor = Annotated[int, msgspec.Meta(ge=1, le=MAX_MINOR, description="Minor units, such as pence")]


class PositiveMoney(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount above zero, in minor units of its currency."""

    amount_minor: PositiveMinor
    currency: CurrencyCode


class CapturePayment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take what is held: all of it, or this much; the rest is let go."""

    amount: PositiveMoney | None = None


class RefundPayment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give back what was taken: all that is left of it, or this much."""

    amount: PositiveMoney | None = None


class PaymentDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The payment as the command left it. `operation_id` names what the provider did."""

    id: UUID
    version: int
    order_id: UUID
    status: str
    operation_id: UUID
    amount: Money
    authorized: Money
    captured: Money
    refunded: Money
    fee: Money


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider is going to be asked, as kept before it is."""

    operation_id: UUID


class CallbackReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A callback is kept."""

    received: bool
