"""Given order events, then the order in full."""

from datetime import timedelta

import msgspec

from projections.order_detail import PROJECTION
from read_side.order_detail.view import MAX_TIMELINE_ENTRIES, OrderDetailRow, body_of
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, NOON, PERSUASION, OrderLog, id_of, line


def _only_row(log: OrderLog) -> OrderDetailRow:
    (row,) = fold(PROJECTION, log.events).values()
    return row


def test_lines_are_as_they_were_agreed_and_nothing_has_left() -> None:
    """In the order's own order."""
    log = OrderLog()
    log.place("A", [line(PERSUASION), line(EMMA, 2, discount_minor=100)])
    row = _only_row(log)
    assert [(one.title, one.quantity, one.fulfilled_quantity, one.total_minor) for one in row.lines] == [
        ("Persuasion", 1, 0, 800),
        ("Emma", 2, 0, 1900),
    ]
    assert (row.net_minor + row.tax_minor, row.total_minor, row.order_version) == (2700, 2700, 1)


def test_a_fulfilment_says_how_many_copies_of_each_line_have_left() -> None:
    """And leaves the other lines as they were."""
    log = OrderLog()
    order_id = log.place("A", [line(PERSUASION), line(EMMA, 2)])
    log.fulfil(order_id, [0, 1])
    row = _only_row(log)
    assert [one.fulfilled_quantity for one in row.lines] == [0, 1]
    assert (row.status, row.fulfilment_status, row.order_version) == ("placed", "partial", 2)


def test_the_timeline_tells_what_happened_when_and_by_whom() -> None:
    """Oldest first, with positions of the log."""
    log = OrderLog()
    order_id = log.place("A", [line(EMMA)])
    log.place("B", [line(EMMA)])
    log.cancel(order_id, at=NOON + timedelta(days=1))
    timeline = fold(PROJECTION, log.events)[(order_id,)].timeline
    assert [(one.position, one.type, one.at, one.actor) for one in timeline] == [
        (1, "OrderPlaced", NOON, "till"),
        (3, "OrderCancelled", NOON + timedelta(days=1), "till"),
    ]


def test_the_timeline_is_bounded_and_says_what_it_left_out() -> None:
    """The newest entries stay."""
    log = OrderLog()
    order_id = log.place("A", [line(EMMA, 1000)])
    for count in range(1, MAX_TIMELINE_ENTRIES + 5):
        log.fulfil(order_id, [count])
    row = _only_row(log)
    assert (len(row.timeline), row.timeline_omitted) == (MAX_TIMELINE_ENTRIES, 5)
    assert row.timeline[-1].position == MAX_TIMELINE_ENTRIES + 5


def test_returned_copies_fill_the_lines_of_their_edition_in_turn() -> None:
    """The last one back makes the order returned; the order's version is not the return's."""
    log = OrderLog()
    order_id = log.place("A", [line(EMMA, 1, line_id="first"), line(EMMA, 2, line_id="second")])
    log.fulfil(order_id)
    log.take_back([line(EMMA, 2, line_id="own")], order_id=order_id)
    row = _only_row(log)
    assert ([one.returned_quantity for one in row.lines], row.status) == ([1, 1], "fulfilled")
    log.take_back([line(EMMA, line_id="own")], order_id=order_id)
    row = _only_row(log)
    assert ([one.returned_quantity for one in row.lines], row.status) == ([1, 2], "returned")
    assert row.order_version == 2


def test_the_body_is_the_contract_and_keeps_costs_to_itself() -> None:
    """What Redis holds is what the client gets."""
    log = OrderLog()
    log.fulfil(log.place("A", [line(EMMA, 2)]))
    data = msgspec.json.decode(body_of(_only_row(log)))
    assert data["id"] == f"{id_of('A')}"
    assert data["total"] == {"amount_minor": 2000, "currency": "GBP"}
    assert data["placed_at"] == "2009-12-01T12:30:00Z"
    assert data["lines"][0]["unit_price"] == {"amount_minor": 1000, "currency": "GBP"}
    assert [entry["type"] for entry in data["timeline"]] == ["OrderPlaced", "OrderFulfilled"]
    assert "cost" not in data["lines"][0]
