"""A transaction gives its connection back, however it ends."""

import asyncio
from uuid import uuid4

import pytest

from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from tests.read_side.query_execution.proxy import proxy_to
from tests.servers import Servers


async def test_breaking_off_twice_costs_no_connection(servers: Servers) -> None:
    """The second time while it rolls back on a server that hangs: the pool's only place is free again."""
    url = servers.url_as(DatabaseRole.READ_API)
    async with (
        proxy_to(url) as door,
        build_pool(door.url(url), PoolSettings(application_name="tests", min_size=0, max_size=1)) as pool,
    ):
        began = asyncio.Event()

        async def work() -> None:
            async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=uuid4()):
                began.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.wait_for(began.wait(), timeout=10)
        door.hold()
        task.cancel()

        ended, _ = await asyncio.wait({task}, timeout=0.2)
        assert not ended  # it rolls back, and gets no answer
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        door.let_go()

        # Before the server ends the transaction by itself, which it does after five seconds.
        async with asyncio.timeout(3), transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=uuid4()) as connection:
            assert await connection.fetchval("SELECT 1") == 1
