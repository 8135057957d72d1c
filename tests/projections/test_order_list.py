"""Given order events, then the rows of the list."""

from datetime import timedelta, timezone

import msgspec
import pytest

from projections.order_list import PROJECTION
from projections.order_rows import OrderNeverPlacedError
from read_side.order_list.view import OrderItem, OrderListRow, document_of
from shared_kernel.events.orders import OrderCancelled
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, NOON, PERSUASION, SHOP, OrderLog, id_of, line


def _only_row(log: OrderLog) -> OrderListRow:
    (row,) = fold(PROJECTION, log.events).values()
    return row


def test_a_placed_order_is_listed_with_what_it_was_placed_with() -> None:
    """Nothing is paid and nothing has left yet."""
    log = OrderLog()
    log.place("A", [line(EMMA, 2), line(PERSUASION)])
    assert _only_row(log) == OrderListRow(
        order_id=id_of("A"),
        number="SW-A",
        placed_at=NOON,
        status="placed",
        payment_status="none",
        fulfilment_status="unfulfilled",
        channel="web",
        location_id=SHOP,
        customer_id=None,
        item_count=3,
        total_minor=2800,
        currency="GBP",
    )


def test_a_row_carries_its_item_of_the_list() -> None:
    """Of the contract's type; the same for the same moment, wherever that was read. Another text is another version."""
    log = OrderLog()
    log.place("A", [line(EMMA, 2), line(PERSUASION)])
    row = _only_row(log)
    document = document_of(row)
    item = msgspec.json.decode(document, type=OrderItem)
    assert (item.id, item.number, item.placed_at, item.item_count) == (id_of("A"), "SW-A", NOON, 3)
    assert (item.total.amount_minor, item.total.currency, item.customer_id) == (2800, "GBP", None)
    assert document == (
        f'{{"id":"{id_of("A")}","number":"SW-A","placed_at":"2009-12-01T12:30:00Z","status":"placed",'
        '"payment_status":"none","fulfilment_status":"unfulfilled","channel":"web",'
        f'"location_id":"{SHOP}","customer_id":null,"item_count":3,"total":{{"amount_minor":2800,"currency":"GBP"}}}}'
    )
    elsewhere = row.placed_at.astimezone(timezone(timedelta(hours=5)))
    assert document_of(msgspec.structs.replace(row, placed_at=elsewhere)) == document


def test_a_partial_fulfilment_leaves_the_order_placed() -> None:
    """Only the fulfilment status says that some copies left."""
    log = OrderLog()
    order_id = log.place("A", [line(EMMA, 2)])
    log.fulfil(order_id, [1], at=NOON + timedelta(hours=1))
    row = _only_row(log)
    assert (row.status, row.fulfilment_status, row.placed_at) == ("placed", "partial", NOON)


def test_a_fulfilled_order_says_so() -> None:
    """Both statuses come from the event."""
    log = OrderLog()
    log.fulfil(log.place("A", [line(EMMA, 2)]))
    row = _only_row(log)
    assert (row.status, row.fulfilment_status) == ("fulfilled", "fulfilled")


def test_a_cancelled_order_stays_in_the_list() -> None:
    """With its total: it is what was ordered, not what was earned."""
    log = OrderLog()
    log.cancel(log.place("A", [line(EMMA, 2)]))
    row = _only_row(log)
    assert (row.status, row.fulfilment_status, row.total_minor) == ("cancelled", "unfulfilled", 2000)


def test_an_order_is_returned_when_its_last_copy_is_back() -> None:
    """A part of it is not enough."""
    log = OrderLog()
    order_id = log.place("A", [line(EMMA, 2)])
    log.fulfil(order_id)
    log.take_back([line(EMMA)], order_id=order_id)
    assert _only_row(log).status == "fulfilled"
    log.take_back([line(EMMA)], order_id=order_id)
    assert _only_row(log).status == "returned"


def test_a_return_without_a_receipt_touches_no_order() -> None:
    """There is none it could belong to."""
    log = OrderLog()
    log.take_back([line(EMMA)])
    assert fold(PROJECTION, log.events) == {}


def test_what_happens_to_an_order_that_was_never_placed_is_a_fault() -> None:
    """It must be parked and seen, not passed over."""
    log = OrderLog()
    log.cancel(log.place("A", [line(EMMA)]))
    assert isinstance(log.events[1].event, OrderCancelled)
    with pytest.raises(OrderNeverPlacedError, match="OrderCancelled at 2"):
        fold(PROJECTION, log.events[1:])
