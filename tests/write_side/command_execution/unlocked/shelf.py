"""A shelf to buy from, somebody who holds a copy of it, and something that happens in between."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection, Pool
from tests.builders.write_side import WriteSide, buy, claim, order_command
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import Answer

COPIES: Final = 20
WAITING: Final = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'tests' AND wait_event_type = 'Lock'
"""
_LEFT_BEHIND: Final = """
SELECT (SELECT count(*) FROM write.sales_order) AS orders, (SELECT count(*) FROM write.order_line) AS lines,
       (SELECT count(*) FROM access.idempotent_response) AS answers,
       (SELECT count(*) FROM write.stock_movement WHERE reserved_delta > 0) AS movements
"""
Act = Callable[[], Awaitable[object]]


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """A place with copies of two editions."""

    location: UUID
    emma: UUID
    persuasion: UUID

    @property
    def both(self) -> list[tuple[UUID, int]]:
        """A copy of each."""
        return [(self.emma, 1), (self.persuasion, 1)]


async def new_shelf(write_side: WriteSide, copies: int = COPIES) -> Shelf:
    """One with as many copies of each."""
    shelf = Shelf(
        location=await write_side.location(), emma=await write_side.edition(), persuasion=await write_side.edition()
    )
    for edition in (shelf.emma, shelf.persuasion):
        await write_side.receive(shelf.location, edition, copies)
    return shelf


async def buy_on(
    write_side: WriteSide, execution: CommandExecution, lines: Sequence[tuple[UUID, int]], shelf: Shelf, *, key: str
) -> Answer:
    """An order by any execution."""
    command = order_command(shelf.location, lines)
    return await buy(execution, write_side.request(idempotency=claim(key, "")), command)


async def left_behind(write_side: WriteSide) -> tuple[int, ...]:
    """Orders, lines, answers and movements of orders, in all stores."""
    return tuple((await write_side.as_administrator(_LEFT_BEHIND))[0])


@asynccontextmanager
async def holding(write_side: WriteSide, shelf: Shelf) -> AsyncIterator[asyncpg.Connection]:
    """Somebody who has locked one account, in a transaction for the block to end."""
    async with in_transaction(write_side) as connection:
        await connection.fetch("SELECT FROM write.stock WHERE edition_id = $1 FOR NO KEY UPDATE", shelf.emma)
        yield connection


@asynccontextmanager
async def in_transaction(write_side: WriteSide) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's, for the block to end."""
    connection = await asyncpg.connect(write_side.servers.write_admin_url)
    try:
        await connection.execute("BEGIN")
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def interrupted(write_side: WriteSide, act: Act) -> AsyncIterator[tuple[CommandExecution, list[str]]]:
    """Execution of one command during which something else happens, between its reading and its writing."""
    overtaken: list[str] = []
    pool: Any = _Interrupted(write_side.pool, act)
    execution = CommandExecution(pool=pool, doorbell=write_side.doorbell, on_overtaken=overtaken.append)
    yield execution, overtaken
    await execution.aclose()


class _Interrupted:
    """A pool that lets something happen before it is asked for the second time."""

    def __init__(self, pool: Pool, act: Act) -> None:
        self._pool = pool
        self._act = act
        self._asked = 0

    async def acquire(self, **options: object) -> Connection:
        self._asked += 1
        if self._asked == 2:  # reading is the first
            await self._act()
        connection: Connection = await self._pool.acquire(**options)
        return connection

    async def release(self, connection: Connection, **options: object) -> None:
        await self._pool.release(connection, **options)
