"""Given what a store does, then exact counts."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given

from projections.order_list import PROJECTION as ORDER_LIST
from projections.store_counts import PROJECTION, UnknownOrderStatusError
from read_side.store_counts.view import StoreCounts, StoreCountsRow, body_of, counts_of
from shared_kernel.events.catalog import EditionDiscontinued
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.events.orders import OrderPlaced
from shared_kernel.events.tenants import StoreOpened
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, SHOP, TENANT, OrderLog, id_of, line
from tests.builders.order_streams import order_logs

OPENED = StoreOpened(
    name="Shop",
    slug="shop",
    currency="GBP",
    timezone="Europe/London",
    prices_include_tax=True,
    tax_rates={"zero": 0},
    allowed_origins=(),
)


def _counts(log: OrderLog) -> StoreCounts:
    (row,) = fold(PROJECTION, log.events).values()
    return counts_of(row)


def test_a_store_that_just_opened_has_a_row_of_zeros() -> None:
    """So that its counts exist before anything is counted."""
    log = OrderLog()
    log.append(OPENED, TENANT)
    counts = _counts(log)
    assert (counts.editions, counts.locations, counts.orders.total) == (0, 0, 0)


def test_an_order_is_in_exactly_one_status() -> None:
    """Also one of which only a part has left: it is still open."""
    log = OrderLog()
    log.append(OPENED, TENANT)
    log.append(LocationOpened(location_id=SHOP, name="Shop", kind="shop"), SHOP)
    log.append(EditionDiscontinued(edition_id=id_of("old"), reason="out of print"), id_of("old"))
    log.place("open", [line(EMMA)])
    log.fulfil(log.place("part", [line(EMMA, 2)]), [1])
    log.fulfil(log.place("whole", [line(EMMA)]))
    log.cancel(log.place("undone", [line(EMMA)]))
    returned = log.place("returned", [line(EMMA, 2)])
    log.fulfil(returned)
    log.take_back([line(EMMA)], order_id=returned)
    log.take_back([line(EMMA)], order_id=returned)
    log.take_back([line(EMMA)])
    counts = _counts(log)
    assert msgspec.structs.asdict(counts.orders) == {
        "total": 5,
        "open": 2,
        "placed": 2,
        "confirmed": 0,
        "fulfilled": 1,
        "cancelled": 1,
        "returned": 1,
    }
    assert (counts.locations, counts.discontinued_editions) == (1, 1)


def test_a_status_this_release_does_not_know_is_a_fault() -> None:
    """Counting it as something else would be a lie nobody sees."""
    log = OrderLog()
    log.place("A", [line(EMMA)])
    placed = log.events[0].event
    assert isinstance(placed, OrderPlaced)
    strange = OrderLog()
    strange.append(msgspec.structs.replace(placed, status="draft"), placed.order_id)
    with pytest.raises(UnknownOrderStatusError, match="draft"):
        fold(PROJECTION, strange.events)


@given(order_logs())
def test_counts_are_those_of_the_order_list(log: OrderLog) -> None:
    """Without knowing a single order."""
    listed = Counter(row.status for row in fold(ORDER_LIST, log.events).values())
    rows: list[StoreCountsRow] = list(fold(PROJECTION, log.events).values())
    counted = (
        Counter(
            placed=rows[0].placed_orders,
            fulfilled=rows[0].fulfilled_orders,
            cancelled=rows[0].cancelled_orders,
            returned=rows[0].returned_orders,
        )
        if rows
        else Counter[str]()
    )
    assert +counted == listed


def test_the_body_is_the_contract() -> None:
    """What Redis holds is what the client gets."""
    log = OrderLog()
    log.place("A", [line(EMMA)])
    (row,) = fold(PROJECTION, log.events).values()
    data = msgspec.json.decode(body_of(row))
    assert data["orders"]["placed"] == data["orders"]["open"] == data["orders"]["total"] == 1
