"""One sandbox provider for all tests of this folder: each makes payments of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.builders.sandbox import Sandbox, open_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """It behaves."""
    async with open_sandbox() as opened:
        yield opened
