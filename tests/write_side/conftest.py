"""A write side on this test's own database."""

from collections.abc import AsyncIterator

import pytest

from tests.builders.write_api import WriteApi, open_write_api
from tests.builders.write_side import WriteSide, open_write_side
from tests.servers import Servers


@pytest.fixture
async def write_side(servers: Servers) -> AsyncIterator[WriteSide]:
    """Command execution and one open store."""
    async with open_write_side(servers) as opened:
        yield opened


@pytest.fixture
async def write_api(servers: Servers) -> AsyncIterator[WriteApi]:
    """The command API, asked by an owner of one store."""
    async with open_write_api(servers) as opened:
        yield opened
