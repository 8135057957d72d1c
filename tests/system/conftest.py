"""One installation for all system tests of a worker, and a new store in it for every test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers import Run
from tests.system.house import House, open_house
from tests.system.shops import Visitor, open_shop


@pytest.fixture(scope="session")
def house(run: Run) -> Iterator[House]:
    """Shared: tests that stop, flush or break something open a house of their own."""
    with open_house(run) as opened:
        yield opened


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Visitor]:
    """A new store's owner."""
    async with open_shop(house) as visitor:
        yield visitor
