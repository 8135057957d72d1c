"""Kept connections: the same again and again, never more than agreed, none that is not well, and none for ever."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from shared_kernel.database.kept import KeptConnections
from shared_kernel.database.pool import Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.eventually import eventually
from tests.servers import Servers

_PID = "SELECT pg_backend_pid()"
_SETTINGS = """
SELECT concat(current_setting('app.tenant_id', true), ' ', current_setting('app.further', true))
"""


@pytest.fixture
async def pool(servers: Servers) -> AsyncIterator[Pool]:
    """Of the query API's role."""
    settings = PoolSettings(application_name="kept", min_size=0, max_size=3)
    async with build_pool(servers.url_as(DatabaseRole.READ_API), settings) as opened:
        yield opened


async def _held(kept: KeptConnections) -> int:
    return kept.held


async def _pid(kept: KeptConnections) -> int:
    async with kept.lent() as connection:
        return int(await connection.fetchval(_PID))


async def test_many_statements_share_few_connections(pool: Pool) -> None:
    """One after the other on one; at once on as many as agreed, and the pool has the others."""
    kept = KeptConnections(pool, most=2)
    assert len({await _pid(kept) for _ in range(5)}) == 1
    at_once = await asyncio.gather(*(_pid(kept) for _ in range(20)))
    assert len(set(at_once)) == kept.held == 2
    assert await pool.fetchval(_PID) not in at_once
    await kept.aclose()
    assert kept.held == 0


async def test_whoever_leaves_the_queue_holds_nobody_up(pool: Pool) -> None:
    """Before its turn, and at the very moment of it."""
    kept = KeptConnections(pool, most=1)
    async with kept.lent():
        waiting = [asyncio.create_task(_pid(kept)) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # it has been given the connection by now, and has not run since
    left = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in left] == [True, True, False, False]
    assert await _pid(kept) == left[2]
    await kept.aclose()


async def test_one_that_something_went_wrong_on_is_kept_no_longer(pool: Pool, servers: Servers) -> None:
    """An error, a cancellation in the middle of a statement, a server that ended it while nobody used it."""
    kept = KeptConnections(pool, most=1)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with kept.lent() as connection:
            await connection.fetchval("SELECT 1 / 0")
    assert kept.held == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), kept.lent() as connection:
            await connection.fetchval("SELECT pg_sleep(600)")
    assert kept.held == 0
    lost = await _pid(kept)
    administrator = await asyncpg.connect(servers.read_admin_url)
    await administrator.execute("SELECT pg_terminate_backend($1, 60000)", lost)
    await administrator.close()
    await asyncio.sleep(0)
    assert await eventually(lambda: _pid_unless_lost(kept), lambda pid: pid not in {0, lost})
    await kept.aclose()


async def _pid_unless_lost(kept: KeptConnections) -> int:
    try:
        return await _pid(kept)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return 0  # the statement was quicker than the news


async def test_a_transaction_is_kept_that_has_committed_and_no_other(pool: Pool) -> None:
    """One left open is rolled back, one that failed too, and its tenant ends with it."""
    kept, tenant_id = KeptConnections(pool, most=1), new_id()
    async with kept.transaction(tenant_id=tenant_id, preamble="SET LOCAL app.further = 'too'") as connection:
        assert await connection.fetchval(_SETTINGS) == f"{tenant_id} too"
        others = kept.has_one
        await connection.execute("COMMIT")
    assert (kept.held, kept.has_one, others) == (1, True, False)
    async with kept.lent() as connection:
        assert await connection.fetchval(_SETTINGS) == " "
    async with kept.transaction(tenant_id=tenant_id) as connection:
        pass
    assert kept.held == 0
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with kept.transaction(tenant_id=tenant_id) as connection:
            await connection.fetchval("SELECT 1 / 0")
    assert kept.held == 0
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await kept.transaction(tenant_id=tenant_id, preamble="SELEC").__aenter__()
    assert kept.held == 0
    assert await pool.fetchval(_SETTINGS) == " "
    await kept.aclose()


async def test_what_only_a_burst_needed_goes_back(pool: Pool) -> None:
    """While another is used without a pause."""
    kept = KeptConnections(pool, most=2, idle_seconds=0.05)
    await asyncio.gather(_pid(kept), _pid(kept))
    assert kept.held == 2
    used = asyncio.create_task(_use_without_a_pause(kept))
    await eventually(partial(_held, kept), lambda number: number == 1)
    used.cancel()
    await asyncio.wait({used})
    await kept.aclose()


async def _use_without_a_pause(kept: KeptConnections) -> None:
    while True:
        await _pid(kept)


async def test_what_outlasts_the_end_goes_back_when_it_is_done(pool: Pool) -> None:
    """The pool must not wait for a connection that nobody uses."""
    kept = KeptConnections(pool, most=1)
    async with kept.lent() as connection:
        await kept.aclose()
        assert await connection.fetchval("SELECT 1") == 1
    await eventually(partial(_held, kept), lambda number: number == 0)


async def test_what_nobody_uses_goes_back(pool: Pool) -> None:
    """To the pool, which closes it in time."""
    kept = KeptConnections(pool, most=2, idle_seconds=0.01)
    await asyncio.gather(_pid(kept), _pid(kept))
    await eventually(partial(_held, kept), lambda number: number == 0)
    assert await _pid(kept)
    await kept.aclose()
