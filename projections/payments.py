"""The fold of `payments`: every event carries what stands after it, so a row is the last of them."""

from collections.abc import Iterable

from projections.fold import AnyRecorded, Projection
from projections.order_rows import PAYMENT_EVENTS
from read_side.payments.view import VIEW, PaymentRow
from shared_kernel.events.payments import PaymentDeclined, PaymentEvent, PaymentRequested, RefundRefused
from shared_kernel.views import Key


class PaymentNeverRequestedError(LookupError):
    """A payment's event came without the one that began it: the log is damaged or that event was skipped."""


def _touches(recorded: AnyRecorded) -> Iterable[tuple[Key, PaymentEvent]]:
    event = recorded.event
    assert isinstance(event, PaymentEvent), "the runtime hands over what PROJECTION.handles lists"
    yield (event.payment_id,), event


def _evolve(row: PaymentRow | None, event: PaymentEvent, recorded: AnyRecorded) -> PaymentRow:
    if row is None and not isinstance(event, PaymentRequested):
        raise PaymentNeverRequestedError(f"{type(event).__name__} at {recorded.position} is of a payment not requested")
    refusal = event.reason if isinstance(event, PaymentDeclined | RefundRefused) else None
    return PaymentRow(
        payment_id=event.payment_id,
        payment_version=recorded.stream_version,
        order_id=event.order_id,
        status=event.status,
        currency=event.currency,
        amount_minor=event.amount_minor if row is None else row.amount_minor,
        authorized_minor=event.authorized_minor,
        captured_minor=event.captured_minor,
        refunded_minor=event.refunded_minor,
        fee_minor=event.fee_minor,
        reason=refusal or (row.reason if row else None),
        requested_at=recorded.occurred_at if row is None else row.requested_at,
        changed_at=recorded.occurred_at,
    )


PROJECTION = Projection(view=VIEW, handles=PAYMENT_EVENTS, touches=_touches, evolve=_evolve)
