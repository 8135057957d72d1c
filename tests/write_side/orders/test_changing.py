"""Fulfilling, cancelling and taking back, on real PostgreSQL."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import msgspec
import pytest

from shared_kernel.events.orders import OrderCancelled, OrderPlaced
from shared_kernel.identifiers import new_id
from tests.builders.write_side import WriteSide
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.errors import InsufficientStock
from write_side.orders.changing import cancel_order, fulfil_order
from write_side.orders.commands import (
    CancelOrder,
    FulfilOrder,
    LineQuantity,
    OrderDecided,
    ReturnDecided,
    ReturnedQuantity,
    ReturnFromOrder,
)
from write_side.orders.errors import InvalidOrder
from write_side.orders.returning import return_from_order

Decide: TypeAlias = Callable[[UnitOfWork], Awaitable[Outcome]]


def _fulfil(order: OrderDecided) -> Decide:
    return partial(fulfil_order, order.id, FulfilOrder())


def _cancel(order: OrderDecided) -> Decide:
    return partial(cancel_order, order.id, CancelOrder(reason="changed my mind"))


def _take_back(order: OrderDecided) -> Decide:
    lines = tuple(ReturnedQuantity(line_id=line.line_id, quantity=1) for line in order.lines)
    return partial(return_from_order, order.id, ReturnFromOrder(lines=lines))


@pytest.mark.parametrize(("command", "before"), [(_fulfil, None), (_cancel, None), (_take_back, _fulfil)])
async def test_what_happens_to_an_order_costs_six_round_trips(
    write_side: WriteSide, command: Callable[[OrderDecided], Decide], before: Callable[[OrderDecided], Decide] | None
) -> None:
    """Begin, lock, load, write, append, commit; whatever the number of lines."""
    location = await write_side.location()
    editions = [await write_side.edition() for _ in range(3)]
    for edition in editions:
        await write_side.receive(location, edition, 5)
    order = await write_side.place(location, [(edition, 2) for edition in editions])
    if before is not None:
        await write_side.run(before(order))
    async with write_side.counting() as trips:
        await write_side.run(command(order))
    assert len(trips) == 6, trips


async def test_what_is_undone_tells_the_publisher_that_was_sold(write_side: WriteSide) -> None:
    """As the line kept it: what is taken off a publisher's sums was added to the same."""
    location = await write_side.location()
    emma, unbound = await write_side.edition(publisher="John Murray"), await write_side.edition(publisher=None)
    for edition in (emma, unbound):
        await write_side.receive(location, edition, 1)
    order = await write_side.place(location, [(emma, 1), (unbound, 1)])
    await write_side.run(_cancel(order))
    recorded = {event.type: event.payload for event in await write_side.log()}
    placed = msgspec.convert(recorded["OrderPlaced"], OrderPlaced)
    cancelled = msgspec.convert(recorded["OrderCancelled"], OrderCancelled)
    for lines in (placed.lines, cancelled.lines):
        assert [line.publisher for line in lines] == ["John Murray", None]


async def test_copies_may_leave_from_where_they_are_free(write_side: WriteSide) -> None:
    """What was promised at the order's own location is free there again."""
    shop, warehouse, emma = await write_side.location(), await write_side.location(), await write_side.edition()
    await write_side.receive(shop, emma, 3)
    await write_side.receive(warehouse, emma, 5)
    order = await write_side.place(shop, [(emma, 3)])
    line = LineQuantity(line_id=order.lines[0].line_id, quantity=2)
    command = FulfilOrder(lines=(line,), location_id=warehouse, method="shipping")
    answer = await write_side.run(partial(fulfil_order, order.id, command))

    assert answer.read(OrderDecided).fulfilment_status == "partial"
    assert (await write_side.stock_of(shop, emma))[:2] == (3, 1)
    assert (await write_side.stock_of(warehouse, emma))[:2] == (3, 0)
    told = next(event.payload for event in await write_side.log() if event.type == "OrderFulfilled")
    assert (told["location_id"], told["method"], told["number"]) == (f"{warehouse}", "shipping", order.number)


async def test_copies_do_not_leave_from_where_they_are_not_free(write_side: WriteSide) -> None:
    """Too few, or none: nothing happens, and the location is what is named; one that is not there is told as such."""
    shop, warehouse, emma = await write_side.location(), await write_side.location(), await write_side.edition()
    await write_side.receive(shop, emma, 3)
    await write_side.receive(warehouse, emma, 2)
    order = await write_side.place(shop, [(emma, 3)])
    for place in (warehouse, await write_side.location()):
        with pytest.raises(InsufficientStock) as refused:
            await write_side.run(partial(fulfil_order, order.id, FulfilOrder(location_id=place)))
        assert [fault.pointer for fault in refused.value.errors] == ["/location_id"]
    with pytest.raises(InvalidOrder) as invalid:
        await write_side.run(partial(fulfil_order, order.id, FulfilOrder(location_id=new_id())))
    assert [fault.code for fault in invalid.value.errors] == ["unknown_location"]
    assert (await write_side.stock_of(shop, emma))[:2] == (3, 3)


async def test_what_comes_back_goes_where_it_is_said_to_go(write_side: WriteSide) -> None:
    """Only what is restocked is on hand; the money and every movement are told all the same."""
    shop, emma = await write_side.location(), await write_side.edition()
    await write_side.receive(shop, emma, 4)
    order = await write_side.place(shop, [(emma, 4)])
    await write_side.run(_fulfil(order))
    line_id = order.lines[0].line_id
    lines = (
        ReturnedQuantity(line_id=line_id, quantity=1),
        ReturnedQuantity(line_id=line_id, quantity=2, disposition="damage"),
        ReturnedQuantity(line_id=line_id, quantity=1, disposition="to_supplier"),
    )
    answer = await write_side.run(partial(return_from_order, order.id, ReturnFromOrder(lines=lines)))

    decided = answer.read(ReturnDecided)
    assert decided.total == order.total
    assert [line.disposition for line in decided.lines] == ["restock", "damage", "to_supplier"]
    assert await write_side.stock_of(shop, emma) == (1, 0, 500)
    moved = [event for event in await write_side.log() if event.type in {"StockReturned", "StockWrittenOff"}]
    assert [event.payload["delta"] for event in moved] == [1, 2, -2, 1, -1]
