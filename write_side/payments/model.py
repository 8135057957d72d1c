"""Payments: pure decisions. Refunded ≤ captured ≤ authorised ≤ asked for, always."""

from typing import Literal, TypeAlias, TypeVar
from uuid import UUID, uuid5

import msgspec

from shared_kernel.events.payments import (
    PaymentAbandoned,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentEvent,
    PaymentRefunded,
    PaymentRequested,
    PaymentVoided,
    RefundRefused,
)
from write_side.payments.errors import (
    AmountExceedsHeld,
    AmountExceedsRefundable,
    PaymentAlreadyCaptured,
    PaymentNotAuthorized,
)

Kind: TypeAlias = Literal["authorize", "capture", "void", "refund"]
KINDS: tuple[Kind, ...] = ("authorize", "capture", "void", "refund")
PaymentStatus: TypeAlias = Literal["requested", "authorized", "declined", "abandoned", "captured", "voided", "refunded"]
OperationStatus: TypeAlias = Literal["intended", "settled", "refused", "abandoned", "stuck", "written_off"]

_ORDER_STATUS: dict[str, str] = {
    "requested": "none",
    "authorized": "authorized",
    "declined": "failed",
    "abandoned": "none",
    "captured": "captured",
    "voided": "none",
    "refunded": "refunded",
}
"""A payment's status as its order shows it."""

EventT = TypeVar("EventT", bound=PaymentEvent)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something the provider is to do once, whatever dies meanwhile. Its id makes the provider's idempotency key."""

    operation_id: UUID
    kind: Kind
    amount_minor: int
    status: OperationStatus = "intended"
    attempts: int = 0
    reason: str | None = None


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it stands, with every operation on it.

    Attributes:
        released_minor: of what was held, what is held no longer without having been captured.
        provider_reference: what the provider calls it, once it does.
    """

    payment_id: UUID
    version: int
    order_id: UUID
    currency: str
    amount_minor: int
    status: PaymentStatus = "requested"
    authorized_minor: int = 0
    captured_minor: int = 0
    released_minor: int = 0
    refunded_minor: int = 0
    fee_minor: int = 0
    provider_reference: str | None = None
    operations: tuple[Operation, ...] = ()

    @property
    def held_minor(self) -> int:
        """What the provider holds for us."""
        return self.authorized_minor - self.captured_minor - self.released_minor

    @property
    def refundable_minor(self) -> int:
        """What was captured and neither went back nor is on its way back."""
        on_its_way = sum(one.amount_minor for one in self.operations if one.kind == "refund" and is_open(one))
        return self.captured_minor - self.refunded_minor - on_its_way

    def of_kind(self, kind: Kind) -> tuple[Operation, ...]:
        """Its operations of one kind that were not given up."""
        gone = {"abandoned", "written_off"}
        return tuple(one for one in self.operations if one.kind == kind and one.status not in gone)

    def is_doing(self, kind: Kind) -> bool:
        """Whether the provider is being asked to do it."""
        return any(one.status == "intended" for one in self.of_kind(kind))


def is_open(operation: Operation) -> bool:
    """Whether the provider may yet turn out to have done it."""
    return operation.status in {"intended", "stuck"}


def requested(payment: Payment) -> PaymentRequested:
    """The event of a payment that an order has just asked for."""
    return _event(PaymentRequested, payment, payment.amount_minor)


def operation_id(payment_id: UUID, kind: Kind) -> UUID:
    """The same for ever, so that whoever asks for the one operation of its kind asks for the same one."""
    return uuid5(payment_id, kind)


def authorization(payment: Payment) -> Operation:
    """Ask for all of it to be held."""
    return Operation(
        operation_id=operation_id(payment.payment_id, "authorize"), kind="authorize", amount_minor=payment.amount_minor
    )


def capture(payment: Payment, amount_minor: int | None = None) -> Operation:
    """Make what is held ours, or a part of it; the rest is let go.

    Raises:
        PaymentAlreadyCaptured: that was asked for before.
        PaymentNotAuthorized: nothing is held, or it is being let go.
        AmountExceedsHeld: more than is held.
    """
    if payment.captured_minor or any(is_open(one) for one in payment.of_kind("capture")):
        raise PaymentAlreadyCaptured("this payment has been captured, or is being captured")
    if payment.status != "authorized" or any(is_open(one) for one in payment.of_kind("void")):
        raise PaymentNotAuthorized("nothing is held for this payment: it can be captured once it is authorized")
    wanted = payment.held_minor if amount_minor is None else amount_minor
    if wanted > payment.held_minor:
        raise AmountExceedsHeld(f"at most {payment.held_minor} minor units are held")
    return _next_of("capture", payment, wanted)


def void(payment: Payment) -> Operation:
    """Let go of what is held.

    Raises:
        PaymentNotAuthorized: nothing is held, or it is being captured.
    """
    if payment.status != "authorized" or any(is_open(one) for one in payment.of_kind("capture")):
        raise PaymentNotAuthorized("nothing is held for this payment that could be let go")
    return _next_of("void", payment, payment.held_minor)


def refund(payment: Payment, refund_id: UUID, amount_minor: int | None = None) -> Operation:
    """Give back what was captured, or a part of it.

    Raises:
        AmountExceedsRefundable: more than there is to give back.
    """
    wanted = payment.refundable_minor if amount_minor is None else amount_minor
    if not 0 < wanted <= payment.refundable_minor:
        raise AmountExceedsRefundable(f"at most {payment.refundable_minor} minor units can be given back")
    return Operation(operation_id=refund_id, kind="refund", amount_minor=wanted)


def refund_due(payment: Payment, return_id: UUID) -> UUID | None:
    """As which operation goods that came back are to be refunded; None where that was asked for.

    One that was refused and then written off is asked for anew, under a key of its own.
    """
    statuses = {one.operation_id: one.status for one in payment.operations}
    identity = return_id
    while statuses.get(identity) == "written_off":  # bounded by the operations there are: no id comes twice
        identity = uuid5(return_id, str(identity))
    return None if identity in statuses else identity


def authorized(payment: Payment, reference: str) -> tuple[Payment, PaymentAuthorized]:
    """The provider holds all of it."""
    after = _changed(payment, status="authorized", authorized_minor=payment.amount_minor, provider_reference=reference)
    return after, _event(PaymentAuthorized, after, payment.amount_minor)


def declined(payment: Payment, reason: str) -> tuple[Payment, PaymentDeclined]:
    """The provider holds none of it."""
    after = _changed(payment, status="declined")
    return after, _event(PaymentDeclined, after, payment.amount_minor, reason=reason)


def abandoned(payment: Payment) -> tuple[Payment, PaymentAbandoned]:
    """Nobody ever asked the provider, and nobody will."""
    assert payment.status == "requested"
    after = _changed(payment, status="abandoned")
    return after, _event(PaymentAbandoned, after, payment.amount_minor)


def captured(payment: Payment, amount_minor: int, fee_minor: int) -> tuple[Payment, PaymentCaptured]:
    """So much is ours, less the fee; the rest is held no longer."""
    assert 0 < amount_minor <= payment.held_minor
    after = _changed(
        payment,
        status="captured",
        captured_minor=payment.captured_minor + amount_minor,
        released_minor=payment.authorized_minor - payment.captured_minor - amount_minor,
        fee_minor=payment.fee_minor + fee_minor,
    )
    return after, _event(PaymentCaptured, after, amount_minor, fee_delta_minor=fee_minor)


def voided(payment: Payment) -> tuple[Payment, PaymentVoided]:
    """Nothing is held any more."""
    released = payment.held_minor
    after = _changed(payment, status="voided", released_minor=payment.released_minor + released)
    return after, _event(PaymentVoided, after, released)


def refunded(payment: Payment, amount_minor: int, refund_id: UUID) -> tuple[Payment, PaymentRefunded]:
    """So much went back."""
    total = payment.refunded_minor + amount_minor
    assert amount_minor > 0
    assert total <= payment.captured_minor
    is_whole = total == payment.captured_minor
    after = _changed(payment, status="refunded" if is_whole else payment.status, refunded_minor=total)
    return after, _event(PaymentRefunded, after, amount_minor, refund_id=refund_id)


def refund_refused(payment: Payment, operation: Operation, reason: str) -> tuple[Payment, RefundRefused]:
    """The provider gives nothing back; the amounts stay as they are."""
    after = _changed(payment)
    event = _event(RefundRefused, after, operation.amount_minor, refund_id=operation.operation_id, reason=reason)
    return after, event


def _next_of(kind: Kind, payment: Payment, amount_minor: int) -> Operation:
    # One that was refused or given up keeps its id, and its key at the provider: another try is another operation.
    earlier = sum(1 for one in payment.operations if one.kind == kind)
    identity = operation_id(payment.payment_id, kind)
    return Operation(
        operation_id=uuid5(identity, f"{earlier}") if earlier else identity, kind=kind, amount_minor=amount_minor
    )


def _changed(payment: Payment, **changes: object) -> Payment:
    return msgspec.structs.replace(payment, version=payment.version + 1, **changes)


def _event(kind: type[EventT], payment: Payment, amount_minor: int, **more: object) -> EventT:
    return kind(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        currency=payment.currency,
        amount_minor=amount_minor,
        status=payment.status,
        payment_status=_ORDER_STATUS[payment.status],
        authorized_minor=payment.authorized_minor,
        captured_minor=payment.captured_minor,
        refunded_minor=payment.refunded_minor,
        fee_minor=payment.fee_minor,
        **more,
    )
