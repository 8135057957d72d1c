"""The rows of stock movements, given events."""

from typing import Any
from uuid import UUID

import pytest

from projections.stock_movements import PROJECTION
from shared_kernel.events.inventory import (
    StockAdjusted,
    StockCounted,
    StockEvent,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShipped,
    StockTransferred,
    StockWrittenOff,
)
from tests.builders.catalogue_events import EDITION_ID, NOON, SHOP_ID, WAREHOUSE_ID, log_of, recorded, stock_received
from tests.builders.folding import fold

REFERENCE = UUID(int=77)
COMMON: dict[str, Any] = {  # Any: fields of every type
    "location_id": SHOP_ID,
    "edition_id": EDITION_ID,
    "delta": -2,
    "reserved_delta": -1,
    "on_hand": 7,
    "reserved": 3,
    "value_minor": 100,
}


@pytest.mark.parametrize(
    ("kind", "own", "movement", "reference"),
    [
        (StockReceived, {"receipt_id": REFERENCE, "unit_cost_minor": 1}, "receipt", REFERENCE),
        (StockAdjusted, {"reason": "water"}, "adjustment", None),
        (StockCounted, {"counted": 7}, "count", None),
        (StockTransferred, {"transfer_id": REFERENCE, "other_location_id": WAREHOUSE_ID}, "transfer", REFERENCE),
        (StockReserved, {"order_id": REFERENCE}, "reservation", REFERENCE),
        (StockReleased, {"order_id": REFERENCE}, "release", REFERENCE),
        (StockShipped, {"order_id": REFERENCE}, "shipment", REFERENCE),
        (StockReturned, {"return_id": REFERENCE}, "return", REFERENCE),
        (StockWrittenOff, {"return_id": REFERENCE, "disposition": "damage"}, "write_off", REFERENCE),
    ],
)
def test_every_kind_of_movement_has_a_row(
    kind: type[StockEvent], own: dict[str, Any], movement: str, reference: UUID | None
) -> None:
    """With what changed, what stood after it, what was behind it and who did it."""
    event = recorded(kind(**COMMON, **own))
    row = fold(PROJECTION, [event])[event.event_id,]

    assert (row.id, row.at, row.kind, row.reference_id) == (event.event_id, NOON, movement, reference)
    assert (row.delta, row.reserved_delta, row.on_hand, row.reserved) == (-2, -1, 7, 3)
    assert (row.edition_id, row.location_id, row.actor) == (EDITION_ID, SHOP_ID, "clerk-7")
    assert row.reason == {"adjustment": "water", "write_off": "damage"}.get(movement)


def test_a_movement_is_never_changed_by_another() -> None:
    """Each has its own row; the same event twice has one."""
    first, second = log_of(stock_received(), stock_received(on_hand=9))

    assert len(fold(PROJECTION, [first, second, first])) == 2
