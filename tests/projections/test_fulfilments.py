"""The rows of fulfilments, given events."""

import msgspec

from projections.fulfilments import PROJECTION
from shared_kernel.events.orders import OrderFulfilled
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, PERSUASION, SHOP, OrderLog, line


def test_every_fulfilment_is_a_row() -> None:
    """With the copies that left in it, and no others."""
    log = OrderLog()
    order_id = log.place("one", [line(EMMA, 3), line(PERSUASION, 1)])
    log.fulfil(order_id, [2, 0])
    log.fulfil(order_id, [1, 1])
    rows = sorted(fold(PROJECTION, log.events).values(), key=lambda row: row.item_count)

    assert [[left.quantity for left in row.lines] for row in rows] == [[2], [1, 1]]
    assert {(row.order_id, row.location_id, row.method) for row in rows} == {(order_id, SHOP, "collection")}
    assert [row.item_count for row in rows] == [2, 2]


def test_a_fulfilment_of_before_its_place_was_told_has_none() -> None:
    """An event that is in somebody's log already."""
    log = OrderLog()
    log.fulfil(log.place("one", [line(EMMA, 1)]))
    told = log.events[-1]
    assert isinstance(told.event, OrderFulfilled)
    old = msgspec.structs.replace(told.event, number=None, location_id=None, method=None)
    row = fold(PROJECTION, [msgspec.structs.replace(told, event=old)])[old.fulfilment_id,]
    assert (row.order_number, row.location_id, row.method, row.item_count) == (None, None, None, 1)
