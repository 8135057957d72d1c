"""Payments: given, when, then; and whatever is asked in whatever order, the books balance."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.errors import ConflictError
from shared_kernel.events.payments import PaymentEvent
from shared_kernel.identifiers import new_id
from write_side.payments import model
from write_side.payments.errors import AmountExceedsRefundable, PaymentAlreadyCaptured, PaymentNotAuthorized
from write_side.payments.ledger import Account, posting
from write_side.payments.model import Payment

_WISHES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["capture", "refund"]), st.integers(1, 1500)),
        st.just(("void", 0)),
    ),
    max_size=8,
)


def requested(amount_minor: int = 1000) -> Payment:
    """A payment that an order has asked for."""
    return Payment(payment_id=new_id(), version=1, order_id=new_id(), currency="GBP", amount_minor=amount_minor)


def test_what_is_held_is_captured_once() -> None:
    """And then no longer let go."""
    held, _ = model.authorized(requested(), "pi")
    taken, event = model.captured(held, 600, 28)
    assert (event.captured_minor, event.fee_minor, taken.held_minor) == (600, 28, 0)
    with pytest.raises(PaymentAlreadyCaptured):
        model.capture(taken)
    with pytest.raises(PaymentNotAuthorized):
        model.void(taken)


def test_no_more_goes_back_than_came() -> None:
    """Counting what is on its way back."""
    taken, _ = model.captured(model.authorized(requested(), "pi")[0], 1000, 0)
    back, event = model.refunded(taken, 400, new_id())
    assert (back.status, event.payment_status, back.refundable_minor) == ("captured", "captured", 600)
    with pytest.raises(AmountExceedsRefundable):
        model.refund(back, new_id(), 601)
    whole, event = model.refunded(back, 600, new_id())
    assert (whole.status, event.payment_status) == ("refunded", "refunded")


@given(wishes=_WISHES, fee=st.integers(0, 50))
def test_the_books_balance_whatever_is_asked(wishes: list[tuple[str, int]], fee: int) -> None:
    """Refunded ≤ captured ≤ authorised, each posting sums to nothing, and the accounts say what the payment says."""
    payment = requested()
    balances: dict[str, int] = dict.fromkeys(get_args(Account), 0)

    def book(decided: tuple[Payment, PaymentEvent]) -> Payment:
        after, event = decided
        entries = posting(payment, event)
        assert sum(entry.amount_minor for entry in entries) == 0
        for entry in entries:
            balances[entry.account] += entry.amount_minor
        return after

    payment = book(model.authorized(payment, "pi"))
    for wish, amount in wishes:
        try:
            match wish:
                case "capture":
                    model.capture(payment, amount)
                    payment = book(model.captured(payment, amount, min(fee, amount)))
                case "refund":
                    payment = book(
                        model.refunded(payment, model.refund(payment, new_id(), amount).amount_minor, new_id())
                    )
                case _:
                    model.void(payment)
                    payment = book(model.voided(payment))
        except ConflictError:
            pass
        assert 0 <= payment.refunded_minor <= payment.captured_minor <= payment.authorized_minor
        assert balances["held"] == payment.held_minor
        assert balances["fees"] == payment.fee_minor
        assert balances["received"] == payment.captured_minor - payment.refunded_minor - payment.fee_minor
