"""What receivers are told: each public type in its own shape, and nothing personal."""

import json
from typing import Any

import pytest

from shared_kernel.events.envelope import Event
from shared_kernel.events.orders import OrderConfirmed
from shared_kernel.events.payments import PaymentRequested
from tests.builders.catalogue_events import edition_discontinued, edition_priced, log_of
from tests.builders.order_log import EMMA, OrderLog, line
from tests.builders.payment_log import PaymentLog
from write_side.webhooks.noting import WEBHOOKS
from write_side.webhooks.public_events import PUBLIC_EVENTS, PUBLIC_TYPES, message_of

_PAYMENT = {"id", "order_id", "status", "payment_status", "amount", "authorized", "captured", "refunded"}
MEMBERS = {
    "order.placed": {"id", "number", "channel", "location_id", "item_count", "lines", "net", "tax", "total"},
    "order.confirmed": {"id", "status"},
    "order.fulfilled": {"id", "fulfilment_id", "status", "fulfilment_status", "lines"},
    "order.cancelled": {"id", "total"},
    "goods.returned": {"id", "order_id", "lines", "total"},
    "payment.authorized": _PAYMENT,
    "payment.declined": _PAYMENT | {"reason"},
    "payment.captured": _PAYMENT,
    "payment.voided": _PAYMENT,
    "payment.refunded": _PAYMENT | {"refund_id"},
    "payment.refund_refused": _PAYMENT | {"refund_id", "reason"},
    "edition.priced": {"id", "list_price"},
    "edition.discontinued": {"id"},
}
"""The contract with receivers: a member that goes, or a type that changes its name, breaks them."""


def _everything() -> OrderLog:
    """A log with every public event in it."""
    log = OrderLog()
    lines = [line(EMMA, 2)]
    kept = log.place("kept", lines)
    payment = PaymentLog(log, kept, amount_minor=2000)
    payment.request()
    payment.decline("card_declined")
    payment.authorize()
    log.append(OrderConfirmed(order_id=kept, status="confirmed"), kept)
    log.fulfil(kept)
    payment.capture(2000, fee_minor=60)
    payment.refund(500)
    payment.refuse(100)
    log.take_back(lines, order_id=kept)
    cancelled = log.place("cancelled", lines)
    PaymentLog(log, cancelled).void()
    log.cancel(cancelled)
    return log


def _told() -> dict[str, Any]:
    recorded = [*_everything().events, *log_of(edition_priced(900), edition_discontinued())]
    messages = [message_of(one) for one in recorded if type(one.event) in PUBLIC_EVENTS]
    return {one.type: json.loads(one.body) for one in messages if one is not None}


@pytest.mark.parametrize("name", PUBLIC_TYPES)
def test_a_type_keeps_its_shape(name: str) -> None:
    """Its name, its time and place in the log, and the members that receivers know."""
    told = _told()[name]
    assert told.keys() == {"type", "timestamp", "position", "data"}
    assert (told["type"], told["data"].keys()) == (name, MEMBERS[name])


def test_a_payment_is_told_in_full() -> None:
    """Every amount as it stands after the event; what the provider keeps is nobody else's."""
    told = _told()["payment.refunded"]["data"]
    amounts = {name: told[name] for name in ("amount", "authorized", "captured", "refunded")}
    assert amounts == {
        name: {"amount_minor": minor, "currency": "GBP"}
        for name, minor in (("amount", 500), ("authorized", 2000), ("captured", 2000), ("refunded", 500))
    }
    assert (told["status"], told["payment_status"]) == ("captured", "captured")
    assert "fee" not in json.dumps(told)


def test_the_reaction_is_given_what_is_public_and_no_more() -> None:
    """Nobody is told that an order is only to be paid."""
    public: set[type[Event]] = set(PUBLIC_EVENTS)
    assert set(WEBHOOKS.handles) == public
    assert PaymentRequested not in public
    assert set(MEMBERS) == set(PUBLIC_TYPES)
