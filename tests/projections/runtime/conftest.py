"""The read database as its administrator sees it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.servers import Servers


@pytest.fixture
async def read_admin(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """A connection that passes every policy."""
    connection = await asyncpg.connect(servers.read_admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def log_admin(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the write database past row-level security."""
    connection = await asyncpg.connect(servers.write_admin_url)
    yield connection
    await connection.close()
