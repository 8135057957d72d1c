"""A projector in the test's own process, on the test's own databases."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import asyncpg
import pytest

from projections.registry import PROJECTIONS
from projections.runtime.fault_points import Reach, carry_on
from projections.worker import ProjectorSettings, run_projector
from shared_kernel.database.roles import DatabaseRole
from tests.servers import Servers

RunProjector = Callable[..., AbstractAsyncContextManager[None]]


def projector_settings(servers: Servers) -> ProjectorSettings:
    """The projector's own logins to the test's databases."""
    return ProjectorSettings(
        write_database_url=servers.url_as(DatabaseRole.PROJECTOR, read=False),
        read_database_url=servers.url_as(DatabaseRole.PROJECTOR, read=True),
        redis_url=servers.redis_url,
        probe_port=0,
    )


@asynccontextmanager
async def running_projector(
    servers: Servers, *, projections=PROJECTIONS, reach: Reach = carry_on
) -> AsyncIterator[None]:
    """A projector that runs as long as the block."""
    task = asyncio.create_task(run_projector(projector_settings(servers), projections=projections, reach=reach))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def read_admin(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """The read database as its administrator sees it."""
    connection = await asyncpg.connect(servers.read_admin_url)
    yield connection
    await connection.close()
