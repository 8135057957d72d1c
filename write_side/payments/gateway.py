"""What we ask of a payment provider, in our words. Whose words it speaks is known to its adapter alone.

Every errand carries a key under which the provider does it once, however often it is asked. An answer that was not had,
or not understood, is never guessed at: it is asked for again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from write_side.payments.model import Kind

DeclineReason: TypeAlias = Literal[
    "card_declined",
    "insufficient_funds",
    "expired_card",
    "incorrect_details",
    "authentication_required",
    "suspected_fraud",
    "not_accepted",
    "too_late",
]


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """Something that shows itself to nobody who prints it."""

    text: str

    def __repr__(self) -> str:
        """What logs and tracebacks may show."""
        return "Secret(…)"


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, and all a provider needs to know to do it or to say what came of it.

    Attributes:
        reference: what the provider calls the payment; None until it has answered.
        token: stands for the buyer's means of payment; None once it has answered.
        attempts: how often it was asked, this time included.
    """

    tenant_id: UUID
    operation_id: UUID
    payment_id: UUID
    order_id: UUID
    kind: Kind
    amount_minor: int
    held_minor: int
    currency: str
    attempts: int
    lease_epoch: int
    requested_by: str
    deadline_at: datetime
    reference: str | None = None
    token: Secret | None = None

    @property
    def key(self) -> str:
        """Under which the provider does it once."""
        return f"shelfwise-{self.operation_id}"


class Authorized(msgspec.Struct, frozen=True, kw_only=True):
    """The whole amount is held."""

    reference: str


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """So much is ours, less the fee, and nothing is held any more."""

    amount_minor: int
    fee_minor: int


class Voided(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is held any more, and nothing was taken."""


class Refunded(msgspec.Struct, frozen=True, kw_only=True):
    """So much went back."""

    amount_minor: int


class Declined(msgspec.Struct, frozen=True, kw_only=True):
    """It will not be done, for good."""

    reason: DeclineReason


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """It may have been done or not: no answer, or one that says so. Ask again with the same key."""

    why: str


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """Asked what came of it, the provider knows of nothing: it was not done, unless it is being done right now."""


class Malformed(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that does not have the agreed shape: to be kept aside, and nothing concluded from it.

    Attributes:
        why: what does not fit, without the values.
        digest: SHA-256 of the body.
        outline: names and types of the body, as JSON, without the values.
        tenant_id: whose it is, where even that much could be read of a callback.
    """

    why: str
    digest: str
    outline: str
    tenant_id: UUID | None = None


Result: TypeAlias = Authorized | Captured | Voided | Refunded | Declined | Unknown | Malformed


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A callback whose signature is good: something happened to a payment. What, the provider is asked."""

    provider_event_id: str
    tenant_id: UUID
    payment_id: UUID | None
    kind: str
    happened_at: datetime


class PaymentGateway(Protocol):
    """A payment provider. Never raises for what the provider or the network does."""

    async def perform(self, errand: Errand) -> Result:
        """Do it, or find that it was done under this key."""
        ...

    async def look_up(self, errand: Errand) -> Result | Absent:
        """What came of it, doing nothing."""
        ...


class CallbackReader(Protocol):
    """Reads what a provider sends us of its own accord."""

    def read(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Notice | Malformed | None:
        """The notice; None where nobody can vouch for it; Malformed where the sender is right and the shape is not."""
        ...
