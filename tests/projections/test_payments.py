"""Given payments' events, then what a store reconciles, and what its orders say of being paid."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from projections.fold import Projection
from projections.order_detail import PROJECTION as ORDER_DETAIL
from projections.order_list import PROJECTION as ORDER_LIST
from projections.payments import PROJECTION, PaymentNeverRequestedError
from read_side.payments.view import PaymentRow
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, NOON, OrderLog, line
from tests.builders.payment_log import PaymentLog


def _paying(log: OrderLog) -> PaymentLog:
    return PaymentLog(log, log.place("A", [line(EMMA)]))


def _row(log: OrderLog) -> PaymentRow:
    (row,) = fold(PROJECTION, log.events).values()
    return row


def test_a_payment_is_the_last_that_was_said_of_it() -> None:
    """What was asked for and when stays; every other amount is what stands, and the version is the aggregate's."""
    log = OrderLog()
    payment = _paying(log)
    payment.request()
    payment.authorize(at=NOON + timedelta(hours=1))
    payment.capture(900, fee_minor=30, at=NOON + timedelta(hours=2))
    payment.refund(200, at=NOON + timedelta(hours=3))
    assert _row(log) == PaymentRow(
        payment_id=payment.payment_id,
        payment_version=4,
        order_id=payment.order_id,
        status="captured",
        currency="GBP",
        amount_minor=1000,
        authorized_minor=1000,
        captured_minor=900,
        refunded_minor=200,
        fee_minor=30,
        reason=None,
        requested_at=NOON,
        changed_at=NOON + timedelta(hours=3),
    )
    payment.refund(700)
    assert (_row(log).status, _row(log).refunded_minor) == ("refunded", 900)


def test_a_refusal_is_remembered() -> None:
    """Of a card or of a refund, also after what is said next."""
    declined = OrderLog()
    payment = _paying(declined)
    payment.request()
    payment.decline("insufficient_funds")
    assert (_row(declined).status, _row(declined).reason) == ("declined", "insufficient_funds")
    refused = OrderLog()
    payment = _paying(refused)
    payment.request()
    payment.authorize()
    payment.capture(1000)
    payment.refuse(1000, "too_old")
    payment.refund(100)
    assert (_row(refused).status, _row(refused).refunded_minor, _row(refused).reason) == ("captured", 100, "too_old")


@pytest.mark.parametrize("projection", [ORDER_LIST, ORDER_DETAIL], ids=["order_list", "order_detail"])
def test_an_order_says_where_its_payment_is(projection: Projection[Any]) -> None:
    """Step by step, in the list and in full; the order's own status and version stay."""
    log = OrderLog()
    payment = _paying(log)
    seen = []
    steps = (payment.request, payment.authorize, partial(payment.capture, 1000), partial(payment.refund, 1000))
    for step in steps:
        step()
        (row,) = fold(projection, log.events).values()
        seen.append((row.payment_status, row.status, getattr(row, "order_version", 1)))
    told = ("none", "authorized", "captured", "refunded")
    assert seen == [(one, "placed", 1) for one in told]


def test_the_story_of_an_order_has_its_payment_in_it() -> None:
    """Each step, in order."""
    log = OrderLog()
    payment = _paying(log)
    payment.request()
    payment.authorize()
    payment.void()
    (row,) = fold(ORDER_DETAIL, log.events).values()
    types = ["OrderPlaced", "PaymentRequested", "PaymentAuthorized", "PaymentVoided"]
    assert [entry.type for entry in row.timeline] == types


def test_a_payment_that_was_never_requested_is_told() -> None:
    """The fold names what is wrong and where."""
    log = OrderLog()
    _paying(log).authorize()
    with pytest.raises(PaymentNeverRequestedError, match="PaymentAuthorized at 2"):
        fold(PROJECTION, log.events)
