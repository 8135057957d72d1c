"""Orders decided without locks: whatever is lost, waited for or killed, they happen once or not at all."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared_kernel.database.pool import Connection, Pool
from shared_kernel.errors import InFlightError
from tests.builders.write_side import SilentDoorbell, WriteSide
from tests.eventually import eventually
from tests.write_side.command_execution.unlocked.shelf import (
    COPIES,
    WAITING,
    Shelf,
    buy_on,
    holding,
    in_transaction,
    left_behind,
    new_shelf,
)
from write_side.command_execution.errors import (
    OutcomeUnknownError,
)
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import Answer


@pytest.mark.parametrize("kept_connections", [0, 1])
@pytest.mark.parametrize("is_committed", [True, False])
async def test_an_answer_lost_with_its_connection_is_found_by_the_retry(
    write_side: WriteSide,
    is_committed: bool,  # noqa: FBT001 - a parameter of pytest's
    kept_connections: int,
) -> None:
    """Whether the statement arrived or not: the client hears 503, retries, and there is one order."""
    shelf = await new_shelf(write_side)
    pool: Any = _Losing(write_side.pool, reaches_server=is_committed)
    losing = CommandExecution(pool=pool, doorbell=SilentDoorbell(), kept_connections=kept_connections)
    with pytest.raises(OutcomeUnknownError):
        await buy_on(write_side, losing, shelf.both, shelf, key="k")
    await losing.aclose()
    retried = await eventually(lambda: _retried(write_side, shelf))
    assert retried is not None
    assert retried.replayed is is_committed
    assert await left_behind(write_side) == (1, 2, 1, 2)


async def test_a_session_killed_in_the_middle_leaves_nothing(write_side: WriteSide) -> None:
    """It waits for copies that somebody holds, having claimed its key."""
    shelf = await new_shelf(write_side)
    async with holding(write_side, shelf) as holder:
        buying = asyncio.create_task(write_side.buy(shelf.location, shelf.both, key="k"))
        await eventually(lambda: write_side.as_administrator(WAITING))
        for waiting in await write_side.as_administrator(WAITING):
            await write_side.as_administrator("SELECT pg_terminate_backend($1)", waiting["pid"])
        with pytest.raises(OutcomeUnknownError):
            await buying
        await holder.execute("ROLLBACK")
    assert await left_behind(write_side) == (0, 0, 0, 0)
    assert not (await write_side.buy(shelf.location, shelf.both, key="k")).replayed


async def test_a_client_that_leaves_does_not_stop_its_order(write_side: WriteSide) -> None:
    """It is written and rung all the same."""
    shelf = await new_shelf(write_side)
    async with holding(write_side, shelf) as holder:
        leaving = asyncio.create_task(write_side.buy(shelf.location, shelf.both, key="k"))
        await eventually(lambda: write_side.as_administrator(WAITING))
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await holder.execute("ROLLBACK")
    rung = await eventually(lambda: _rung(write_side, beyond=5))
    assert (await write_side.buy(shelf.location, shelf.both, key="k")).replayed
    assert rung


@pytest.mark.parametrize(
    ("change", "is_overtaken"),
    [
        ("SELECT", False),
        ("UPDATE write.stock SET waiting = waiting + 3 WHERE edition_id = $1", False),
        ("UPDATE write.stock SET version = version + 1, reserved = reserved + 1 WHERE edition_id = $1", True),
    ],
)
async def test_who_waited_for_a_lock_compares_what_its_holder_left(
    write_side: WriteSide,
    change: str,
    is_overtaken: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    """What the holder left alone stays as it is, and what concerns others is not lost."""
    shelf = await new_shelf(write_side)
    overtaken: list[str] = []
    execution = CommandExecution(
        pool=write_side.pool, doorbell=write_side.doorbell, on_overtaken=overtaken.append, kept_connections=1
    )
    async with holding(write_side, shelf) as holder:
        buying = asyncio.create_task(buy_on(write_side, execution, shelf.both, shelf, key="k"))
        await eventually(lambda: write_side.as_administrator(WAITING))
        await holder.execute(change, *([shelf.emma] if "$1" in change else []))
        await holder.execute("COMMIT")
        await buying
    await execution.aclose()
    assert bool(overtaken) is is_overtaken
    rows = await write_side.as_administrator(
        "SELECT reserved, waiting, version FROM write.stock WHERE edition_id = $1", shelf.emma
    )
    expected = {"SELECT": (1, 0, 2)}.get(change, (2, 0, 3) if is_overtaken else (1, 3, 2))
    assert tuple(rows[0]) == expected
    assert await write_side.stock_of(shelf.location, shelf.persuasion) == (COPIES, 1, 10_000)


async def test_who_waits_for_copies_is_not_said_to_wait_for_the_log(write_side: WriteSide) -> None:
    """Though the same statement appends; an operator who is told so would look for the wrong holder."""
    shelf = await new_shelf(write_side)
    async with holding(write_side, shelf) as holder:
        buying = asyncio.create_task(write_side.buy(shelf.location, shelf.both, key="both"))
        await eventually(lambda: write_side.as_administrator(WAITING))
        assert await _append_waiting(write_side) == 0
        await holder.execute("ROLLBACK")
        await buying
    async with in_transaction(write_side) as holder:
        await holder.execute("UPDATE log.tenant_head SET position = position")
        both = [asyncio.create_task(write_side.buy(shelf.location, [one], key=f"{one}")) for one in shelf.both]
        await eventually(lambda: _append_waiting(write_side), lambda waiting: waiting == len(both))
        await holder.execute("ROLLBACK")
        await asyncio.gather(*both)
    assert await _append_waiting(write_side) == 0


async def _append_waiting(write_side: WriteSide) -> int:
    return int((await write_side.as_administrator("SELECT append_waiting FROM log.vitals()"))[0][0])


async def _retried(write_side: WriteSide, shelf: Shelf) -> Answer | None:
    """None until the server has noticed that the first connection is gone."""
    try:
        return await write_side.buy(shelf.location, shelf.both, key="k")
    except InFlightError:
        return None


async def _rung(write_side: WriteSide, *, beyond: int) -> bool:
    return any(position > beyond for _, position in write_side.doorbell.rung)


class _Losing:
    """A pool whose connections break at the statement that writes, before or after the server has answered it."""

    def __init__(self, pool: Pool, *, reaches_server: bool) -> None:
        self._pool = pool
        self.reaches_server = reaches_server

    async def acquire(self, **options: object) -> "_LosingConnection":
        return _LosingConnection(self, await self._pool.acquire(**options))

    async def release(self, losing: "_LosingConnection", **options: object) -> None:
        await self._pool.release(losing.connection, **options)


class _LosingConnection:
    def __init__(self, pool: _Losing, connection: Connection) -> None:
        self._pool = pool
        self.connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)

    async def fetchval(self, query: str, *arguments: object) -> None:
        if self._pool.reaches_server:
            await self.connection.fetchval(query, *arguments)
        self.connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
