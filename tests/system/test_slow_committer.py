"""A command that commits late hides nothing and holds nobody up but those who need its store's next position."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from shared_kernel.database.transactions import transaction
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.write_side import WriteSide, open_write_side, order_command
from tests.eventually import eventually
from tests.servers import Servers
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.orders.placing import place_order


class Shop:
    """A store with a book on the shelf."""

    def __init__(self, side: WriteSide, location_id: UUID, edition_id: UUID) -> None:
        self.side = side
        self._decide = partial(place_order, order_command(location_id, [(edition_id, 1)]))

    async def sell(self) -> None:
        """An order, at once."""
        await self.side.run(self._decide)

    @asynccontextmanager
    async def selling_slowly(self) -> AsyncIterator[None]:
        """An order that has done everything but its final statement while the block runs, and commits after it."""
        decided, go_on = asyncio.Event(), asyncio.Event()

        async def decide(work: UnitOfWork) -> Outcome:
            outcome = await self._decide(work)
            decided.set()
            await go_on.wait()
            return outcome

        task = asyncio.create_task(self.side.run(decide))
        await asyncio.wait_for(decided.wait(), 10)
        yield
        go_on.set()
        await task


async def open_shop(side: WriteSide) -> Shop:
    """A location, an edition, and copies of it."""
    location_id, edition_id = await side.location(), await side.edition()
    await side.receive(location_id, edition_id, 50)
    return Shop(side, location_id, edition_id)


@asynccontextmanager
async def unrelated_writer(servers: Servers) -> AsyncIterator[None]:
    """Somebody else's transaction in the same cluster, with a transaction id of its own, that does not end."""
    connection = await asyncpg.connect(servers.write_admin_url)
    try:
        await connection.execute("BEGIN; CREATE TEMPORARY TABLE unrelated (id int); INSERT INTO unrelated VALUES (1)")
        assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        yield
    finally:
        await connection.close()


@pytest.fixture
async def side(servers: Servers) -> AsyncIterator[WriteSide]:
    """The write side of one store."""
    async with open_write_side(servers) as opened:
        yield opened


async def orders(admin: asyncpg.Connection) -> dict[UUID, int]:
    """How many orders each store's list shows."""
    rows = await admin.fetch("SELECT tenant_id, count(*) AS orders FROM read.order_list__v2 GROUP BY 1")
    return {row["tenant_id"]: row["orders"] for row in rows}


@pytest.mark.parametrize("across_stores", [False, True], ids=["one store", "two stores"])
async def test_nothing_is_lost_and_nothing_stalls(servers: Servers, side: WriteSide, across_stores: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """The quick order is shown while the slow one still runs, and the slow one after it."""
    slow = await open_shop(side)
    quick = await open_shop(side.as_tenant(await side.another_store()) if across_stores else side)
    ours, theirs = slow.side.tenant.id, quick.side.tenant.id
    admin = await asyncpg.connect(servers.read_admin_url)
    async with running_projector(servers), unrelated_writer(servers):
        await projected(servers)
        async with slow.selling_slowly():
            await quick.sell()
            await eventually(lambda: orders(admin), lambda seen: seen == {theirs: 1})
            await projected(servers)
        await eventually(lambda: orders(admin), lambda seen: seen == ({theirs: 1} | {ours: 1 if across_stores else 2}))
    await admin.close()
    await assert_identical(servers)


async def test_whoever_has_the_next_position_goes_first(servers: Servers, side: WriteSide) -> None:
    """While one store's head is held, the other's orders are made and shown; none of the first's is passed over."""
    ours = await open_shop(side)
    theirs = await open_shop(side.as_tenant(await side.another_store()))
    us, them = ours.side.tenant.id, theirs.side.tenant.id
    admin = await asyncpg.connect(servers.read_admin_url)
    async with running_projector(servers):
        await projected(servers)
        async with transaction(side.pool, tenant_id=us) as holder:
            await holder.execute("UPDATE log.tenant_head SET position = position WHERE tenant_id = $1", us)
            waiting = asyncio.create_task(ours.sell())
            await theirs.sell()
            await eventually(lambda: orders(admin), lambda seen: seen == {them: 1})
            assert not waiting.done()
        await waiting
        await eventually(lambda: orders(admin), lambda seen: seen == {us: 1, them: 1})
    await admin.close()
    await assert_identical(servers)
