"""Stock and its cost: given, when, then."""

from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.money import MAX_MINOR
from write_side.inventory.errors import CountedBelowReserved, InsufficientStock, StockTooLarge
from write_side.inventory.model import (
    Stock,
    adjust,
    after,
    count,
    receive,
    release,
    reserve,
    ship,
    take_back,
    transfer_in,
    transfer_out,
)

ID = UUID(int=1)
_stocks = st.builds(
    lambda on_hand, reserved, value: Stock(
        stock_id=ID,
        location_id=ID,
        edition_id=ID,
        version=3,
        on_hand=on_hand,
        reserved=min(reserved, on_hand),
        value_minor=value if on_hand else 0,
    ),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 10**9),
)


@given(_stocks, st.integers(1, 10_000), st.integers(0, 10**6))
def test_what_arrives_adds_what_it_cost(stock: Stock, quantity: int, unit_cost_minor: int) -> None:
    """To the penny, and the event carries both the change and what stands after it."""
    event = receive(stock, quantity=quantity, unit_cost_minor=unit_cost_minor, receipt_id=ID)
    moved = after(stock, event)
    assert moved.value_minor - stock.value_minor == quantity * unit_cost_minor
    assert (moved.on_hand, moved.version) == (stock.on_hand + quantity, stock.version + 1)
    assert (event.delta, event.on_hand, event.value_minor) == (quantity, moved.on_hand, moved.value_minor)


@given(_stocks, st.data())
def test_what_leaves_takes_its_share_and_the_last_copy_takes_the_rest(stock: Stock, data: st.DataObject) -> None:
    """However it is divided, nothing of the value is lost or made."""
    while stock.on_hand:
        quantity = data.draw(st.integers(max(1, stock.on_hand // 3), stock.on_hand))
        reserved = min(stock.reserved, quantity)
        event = ship(stock, quantity=quantity, reserved_quantity=reserved, order_id=ID)
        taken = stock.value_minor - event.value_minor
        assert abs(taken - Fraction(stock.value_minor * quantity, stock.on_hand)) <= Fraction(1, 2)
        stock = after(stock, event)
    assert stock.value_minor == 0


@given(_stocks, st.integers(1, 10_000))
def test_a_promise_is_given_back_whole(stock: Stock, quantity: int) -> None:
    """Neither copies nor value move."""
    promised = after(stock, reserve(stock, quantity=quantity, order_id=ID))
    freed = after(promised, release(promised, quantity=quantity, order_id=ID))
    assert promised.available == stock.available - quantity
    assert (freed.on_hand, freed.reserved, freed.value_minor) == (stock.on_hand, stock.reserved, stock.value_minor)


@given(_stocks, _stocks, st.data())
def test_a_transfer_keeps_the_sum(source: Stock, target: Stock, data: st.DataObject) -> None:
    """Of copies and of value."""
    quantity = data.draw(st.integers(0, source.available))
    leaving = transfer_out(source, quantity=quantity, transfer_id=ID, to_location_id=ID)
    cost_minor = source.value_minor - leaving.value_minor
    arriving = transfer_in(target, quantity=quantity, cost_minor=cost_minor, transfer_id=ID, from_location_id=ID)
    assert leaving.on_hand + arriving.on_hand == source.on_hand + target.on_hand
    assert leaving.value_minor + arriving.value_minor == source.value_minor + target.value_minor


def test_corrections_stop_at_what_is_promised() -> None:
    """By count and by adjustment."""
    stock = Stock(stock_id=ID, location_id=ID, edition_id=ID, version=1, on_hand=10, reserved=4, value_minor=1000)
    assert adjust(stock, delta=-6, reason="damp").on_hand == 4
    with pytest.raises(InsufficientStock):
        adjust(stock, delta=-7, reason="damp")
    counted = count(stock, counted=4)
    assert (counted.delta, counted.value_minor) == (-6, 400)
    with pytest.raises(CountedBelowReserved):
        count(stock, counted=3)


def test_copies_found_come_at_the_average_cost() -> None:
    """And cost nothing where there were none."""
    stock = Stock(stock_id=ID, location_id=ID, edition_id=ID, version=1, on_hand=10, reserved=0, value_minor=1000)
    assert count(stock, counted=12).value_minor == 1200
    empty = Stock(stock_id=ID, location_id=ID, edition_id=ID, version=0, on_hand=0, reserved=0, value_minor=0)
    assert count(empty, counted=12).value_minor == 0
    assert take_back(empty, quantity=1, cost_minor=70, return_id=ID).value_minor == 70


def test_an_account_has_bounds() -> None:
    """Past them the database would refuse."""
    stock = Stock(stock_id=ID, location_id=ID, edition_id=ID, version=1, on_hand=1, reserved=0, value_minor=MAX_MINOR)
    with pytest.raises(StockTooLarge):
        receive(stock, quantity=1, unit_cost_minor=1, receipt_id=ID)
