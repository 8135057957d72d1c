"""A pool ends, whatever its database does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared_kernel.database.pool import Pool, PoolSettings, build_pool, opened_together
from shared_kernel.database.roles import DatabaseRole
from tests.read_side.query_execution.proxy import proxy_to
from tests.servers import Servers


async def test_a_pool_whose_database_hangs_is_cut_off(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an error, long before its commands would be given up, and it is said."""
    url = servers.url_as(DatabaseRole.READ_API)
    patient = PoolSettings(application_name="patient", command_timeout_seconds=3600)
    async with proxy_to(url) as door, build_pool(door.url(url), patient) as pool:
        assert await pool.fetchval("SELECT 1") == 1
        door.hold()
    assert "pool_cut_off" in capsys.readouterr().out


async def test_pools_end_at_the_same_time(servers: Servers) -> None:
    """The first has not ended before the last begins to, so that none waits for another's database."""
    ending = asyncio.Barrier(2)

    @asynccontextmanager
    async def ends_with_the_other() -> AsyncIterator[Pool]:
        settings = PoolSettings(application_name="together", min_size=0)
        async with build_pool(servers.url_as(DatabaseRole.READ_API), settings) as pool:
            yield pool
            await ending.wait()

    async with asyncio.timeout(60):
        async with opened_together(ends_with_the_other(), ends_with_the_other()) as pools:
            assert [await pool.fetchval("SELECT 1") for pool in pools] == [1, 1]
    for pool in pools:
        with pytest.raises(asyncpg.InterfaceError, match="closed"):
            await pool.fetchval("SELECT 1")
