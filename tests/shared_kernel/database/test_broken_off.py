"""Whoever is broken off in the middle leaves nothing open, and no connection is lost over it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import msgspec
import pytest

from shared_kernel.database.kept import KeptConnections
from shared_kernel.database.pool import Connection, Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.identifiers import new_id
from tests.eventually import eventually
from tests.servers import Servers

Borrowed: TypeAlias = AbstractAsyncContextManager[Connection]
Begins: TypeAlias = Callable[[Pool, KeptConnections], Borrowed]

_NAME = "broken-off"
_LOCK = 4_711
_WAITS = f"SELECT pg_advisory_xact_lock({_LOCK})"
_SETTINGS = PoolSettings(application_name=_NAME, min_size=0, max_size=1)
_SESSIONS = """
SELECT CASE state WHEN 'active' THEN wait_event ELSE state END FROM pg_stat_activity
WHERE application_name = $1 AND datname = current_database()
"""


@pytest.fixture
async def administrator(servers: Servers) -> AsyncIterator[Connection]:
    """Holds the lock that others wait for, and sees them."""
    connection = await asyncpg.connect(servers.read_admin_url)
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    yield connection
    await connection.close()


@pytest.fixture
async def complaints() -> list[Any]:  # Any: what asyncio hands to such a handler
    """What the loop was told that nobody awaited."""
    told: list[Any] = []  # as above
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    return told


async def _sessions(administrator: Connection) -> list[str]:
    return [row[0] for row in await administrator.fetch(_SESSIONS, _NAME)]


def _of_the_pool(pool: Pool, _kept: KeptConnections) -> Borrowed:
    return transaction(pool, tenant_id=None, preamble=_WAITS)


def _kept(_pool: Pool, kept: KeptConnections) -> Borrowed:
    return kept.transaction(tenant_id=new_id(), preamble=_WAITS)


@pytest.mark.parametrize("begins", [_of_the_pool, _kept])
async def test_one_broken_off_as_it_begins_is_rolled_back(
    servers: Servers, administrator: Connection, complaints: list[Any], begins: Begins
) -> None:
    """The driver does not know yet that it has begun, and would complain when the connection is given back."""
    async with build_pool(servers.url_as(DatabaseRole.READ_API), _SETTINGS) as pool:
        kept = KeptConnections(pool, most=1)
        task = asyncio.create_task(begins(pool, kept).__aenter__())
        await eventually(partial(_sessions, administrator), ["advisory"].__eq__)
        task.cancel()
        await asyncio.wait({task})
        assert (task.cancelled(), kept.held) == (True, 0)
        await eventually(partial(_sessions, administrator), ["idle"].__eq__)
        await kept.aclose()
    assert complaints == []


async def test_one_that_begins_too_slowly_is_rolled_back(
    servers: Servers, administrator: Connection, complaints: list[Any]
) -> None:
    """By the bound of all statements, which breaks off as well."""
    settings = msgspec.structs.replace(_SETTINGS, command_timeout_seconds=0.05)
    async with build_pool(servers.url_as(DatabaseRole.READ_API), settings) as pool:
        with pytest.raises(TimeoutError):
            await transaction(pool, tenant_id=None, preamble=_WAITS).__aenter__()
        await eventually(partial(_sessions, administrator), ["idle"].__eq__)
    assert complaints == []


async def test_one_broken_off_as_its_connection_is_lost_is_still_broken_off(servers: Servers) -> None:
    """Both at once: the caller hears of the first, and the next one has a place."""
    async with build_pool(servers.url_as(DatabaseRole.READ_API), _SETTINGS) as pool:
        kept, tenant_id = KeptConnections(pool, most=1), new_id()
        transactions = (transaction(pool, tenant_id=None), kept.transaction(tenant_id=tenant_id))
        for borrowed in (lent(pool), kept.lent(), *transactions):
            with pytest.raises(asyncio.CancelledError):
                await _lose(borrowed)
            assert kept.held == 0
        assert await pool.fetchval("SELECT 1") == 1


async def test_one_that_is_lost_once_it_has_committed_has_committed(servers: Servers) -> None:
    """Its caller does not hear of the pool's trouble, and the next one has a place."""
    async with build_pool(servers.url_as(DatabaseRole.READ_API), _SETTINGS) as pool:
        kept, tenant_id = KeptConnections(pool, most=1), new_id()
        for borrowed in (kept.transaction(tenant_id=tenant_id), transaction(pool, tenant_id=tenant_id)):
            async with borrowed as connection:
                await connection.execute("COMMIT")
                connection.terminate()
            assert kept.held == 0
        assert await pool.fetchval("SELECT 1") == 1


async def test_whoever_waits_is_given_no_connection_that_is_lost(servers: Servers) -> None:
    """But leave to ask the pool for another."""
    async with build_pool(servers.url_as(DatabaseRole.READ_API), _SETTINGS) as pool:
        kept = KeptConnections(pool, most=1)
        async with kept.lent() as connection:
            waiting = asyncio.create_task(_one(kept))
            await asyncio.sleep(0)
            connection.terminate()
        assert await waiting == 1
        await kept.aclose()


async def _one(kept: KeptConnections) -> int:
    async with kept.lent() as connection:
        return int(await connection.fetchval("SELECT 1"))


async def _lose(borrowed: Borrowed) -> None:
    async with borrowed as connection:
        connection.terminate()
        raise asyncio.CancelledError
