"""The operators' API on a test's own servers."""

from collections.abc import AsyncIterator

import pytest

from tests.builders.operations_api import Operator, open_operations_api
from tests.servers import Servers


@pytest.fixture
async def operator(servers: Servers) -> AsyncIterator[Operator]:
    """Somebody with an operator's key."""
    async with open_operations_api(servers) as opened:
        yield opened
