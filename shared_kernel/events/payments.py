"""Stream `payment` (id: the payment's). Amounts in minor units; absolutes stand beside what changed.

No card, no token and no person is ever in here: who paid is the provider's to know.
`payment_status` is the order's from here on, as clients see it.
"""

from uuid import UUID

from shared_kernel.events.envelope import Event


class PaymentEvent(Event, frozen=True, kw_only=True):
    """What all events of a payment share: whose it is, and what stands after it."""

    stream_type = "payment"

    payment_id: UUID
    order_id: UUID
    currency: str
    amount_minor: int
    status: str
    payment_status: str
    authorized_minor: int
    captured_minor: int
    refunded_minor: int
    fee_minor: int


class PaymentRequested(PaymentEvent, frozen=True, kw_only=True):
    """An order is to be paid; nobody has asked the provider yet. `amount_minor` is the order's total."""


class PaymentAuthorized(PaymentEvent, frozen=True, kw_only=True):
    """The provider holds `amount_minor` for us."""


class PaymentDeclined(PaymentEvent, frozen=True, kw_only=True):
    """The provider refuses to hold the amount; `reason` is one of our words for why."""

    reason: str


class PaymentAbandoned(PaymentEvent, frozen=True, kw_only=True):
    """Given up before the provider was ever asked, so nothing is held and nothing can be."""


class PaymentCaptured(PaymentEvent, frozen=True, kw_only=True):
    """`amount_minor` of what was held is ours, less the provider's `fee_delta_minor`; the rest is held no longer."""

    fee_delta_minor: int


class PaymentVoided(PaymentEvent, frozen=True, kw_only=True):
    """Nothing is held any more: `amount_minor` was let go."""


class PaymentRefunded(PaymentEvent, frozen=True, kw_only=True):
    """`amount_minor` went back; `refund_id` names the refund."""

    refund_id: UUID


class RefundRefused(PaymentEvent, frozen=True, kw_only=True):
    """The provider will not give `amount_minor` back; somebody has to look."""

    refund_id: UUID
    reason: str
