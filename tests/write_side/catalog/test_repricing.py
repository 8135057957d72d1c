"""Prices that change while others sell, on real PostgreSQL."""

import asyncio

from shared_kernel.money import Money
from tests.builders.write_side import WriteSide
from write_side.catalog.commands import PriceEdition
from write_side.catalog.handlers import price_edition
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork


async def test_a_price_being_set_keeps_nobody_from_the_book(write_side: WriteSide) -> None:
    """Deliveries and orders only refer to the edition: they do not wait for what may change of it."""
    location, edition = await write_side.location(), await write_side.edition(price_minor=1299)
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork) -> Outcome:
        command = PriceEdition(list_price=Money(amount_minor=999, currency="GBP"))
        outcome = await price_edition(edition, command, work)
        reached.set()
        await may_go_on.wait()
        return outcome

    pricing = asyncio.create_task(write_side.run(slow))
    await reached.wait()
    async with asyncio.timeout(30):
        await write_side.receive(location, edition, 5)
        placed = await write_side.place(location, [(edition, 1)])
    may_go_on.set()
    assert (await pricing).version == 2
    assert placed.total.amount_minor == 1299
    assert (await write_side.place(location, [(edition, 1)])).total.amount_minor == 999
