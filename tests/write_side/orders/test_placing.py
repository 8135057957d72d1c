"""Placing an order, on real PostgreSQL."""

import asyncio
from functools import partial
from uuid import UUID

import pytest

from shared_kernel.identifiers import new_id
from tests.builders.write_side import WriteSide, order_command
from write_side.inventory.errors import InsufficientStock
from write_side.orders.commands import OrderDecided
from write_side.orders.errors import InvalidOrder
from write_side.orders.placing import place_order


async def test_an_order_fixes_its_prices_and_promises_copies(write_side: WriteSide) -> None:
    """Rows, events and answer agree."""
    location, emma, persuasion = await _shelf(write_side, 2)
    order = await write_side.place(location, [(emma, 2), (persuasion, 1), (emma, 1)])

    assert (order.status, order.fulfilment_status, order.version) == ("placed", "unfulfilled", 1)
    assert order.total.amount_minor == 4 * 1299
    assert order.net.amount_minor + order.tax.amount_minor == order.total.amount_minor
    assert await write_side.stock_of(location, emma) == (20, 3, 10_000)
    events = await write_side.log()
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events[-3:]] == ["OrderPlaced", "StockReserved", "StockReserved"]
    lines = events[-3].payload["lines"]
    assert isinstance(lines, list)
    assert [line["cost_minor"] for line in lines] == [1000, 500, 500]


async def test_every_short_edition_is_named_and_nothing_is_promised(write_side: WriteSide) -> None:
    """The demand is summed first: three lines of eight are more than twenty."""
    location, emma, persuasion, missing = *(await _shelf(write_side, 2)), await write_side.edition()
    with pytest.raises(InsufficientStock) as refused:
        await write_side.place(location, [(emma, 8), (persuasion, 1), (emma, 8), (emma, 8), (missing, 1)])
    assert [error.pointer for error in refused.value.errors] == ["/lines/0/quantity", "/lines/4/quantity"]
    assert await write_side.stock_of(location, persuasion) == (20, 0, 10_000)


async def test_unknown_location_and_editions_are_told_at_once(write_side: WriteSide) -> None:
    """Also those that are another store's."""
    foreign = write_side.as_tenant(await write_side.another_store())
    location, edition = await foreign.location(), await foreign.edition()
    await foreign.receive(location, edition, 5)
    known = await write_side.edition()
    with pytest.raises(InvalidOrder) as refused:
        await write_side.place(location, [(edition, 1), (known, 1), (new_id(), 1)])
    pointers = [error.pointer for error in refused.value.errors]
    assert pointers == ["/location_id", "/lines/0/edition_id", "/lines/2/edition_id"]


async def test_fifty_buyers_of_twenty_copies(write_side: WriteSide) -> None:
    """Exactly twenty get one, and nothing is left."""
    location, emma = await _shelf(write_side, 1)
    command = order_command(location, [(emma, 1)])

    async def buy() -> bool:
        try:
            await write_side.run(partial(place_order, command))
        except InsufficientStock:
            return False
        return True

    bought = await asyncio.gather(*(buy() for _ in range(50)))
    assert sum(bought) == 20
    assert await write_side.stock_of(location, emma) == (20, 20, 10_000)


async def test_orders_that_want_the_same_books_in_opposite_order_do_not_lock_each_other_out(
    write_side: WriteSide,
) -> None:
    """Accounts are locked in one order, whatever the order of lines."""
    location, emma, persuasion = await _shelf(write_side, 2)
    lines = [(emma, 1), (persuasion, 1)]
    orders = [order_command(location, lines if number % 2 else lines[::-1]) for number in range(20)]
    answers = await asyncio.gather(*(write_side.run(partial(place_order, order)) for order in orders))
    assert len({answer.read(OrderDecided).number for answer in answers}) == 20
    deadlocks = await write_side.as_administrator(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks[0]["deadlocks"] == 0


@pytest.mark.parametrize("lines", [1, 200])
async def test_an_order_costs_four_round_trips(write_side: WriteSide, lines: int) -> None:
    """Begin, load, write with the append, commit; whatever the number of lines."""
    location = await write_side.location()
    editions = [await write_side.edition() for _ in range(lines)]
    for edition in editions:
        await write_side.receive(location, edition, 1)
    command = order_command(location, [(edition, 1) for edition in editions])
    async with write_side.counting() as trips:
        await write_side.run(partial(place_order, command))
    assert len(trips) == 4, trips


async def _shelf(write_side: WriteSide, editions: int) -> tuple[UUID, ...]:
    """A location with twenty copies of each of so many editions."""
    location = await write_side.location()
    made = [await write_side.edition() for _ in range(editions)]
    for edition in made:
        await write_side.receive(location, edition, 20)
    return (location, *made)
