"""Fulfilling, cancelling and taking back, on real PostgreSQL."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import pytest

from tests.builders.write_side import WriteSide
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.orders.changing import cancel_order, fulfil_order
from write_side.orders.commands import CancelOrder, FulfilOrder, LineQuantity, OrderDecided, ReturnFromOrder
from write_side.orders.returning import return_from_order

Decide: TypeAlias = Callable[[UnitOfWork], Awaitable[Outcome]]


def _fulfil(order: OrderDecided) -> Decide:
    return partial(fulfil_order, order.id, FulfilOrder())


def _cancel(order: OrderDecided) -> Decide:
    return partial(cancel_order, order.id, CancelOrder(reason="changed my mind"))


def _take_back(order: OrderDecided) -> Decide:
    lines = tuple(LineQuantity(line_id=line.line_id, quantity=1) for line in order.lines)
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
