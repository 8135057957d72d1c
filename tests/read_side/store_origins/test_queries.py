"""Whether any store lists an origin, as the read API's own role."""

from collections.abc import AsyncIterator

import pytest

from projections import store_origins
from read_side.store_origins.queries import is_known_origin
from shared_kernel.database.pool import Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.events.tenants import StoreOpened
from tests.builders.catalogue_events import recorded
from tests.builders.filling import fill
from tests.servers import Servers

ORIGIN = "https://corner.example"


@pytest.fixture
async def pool(servers: Servers) -> AsyncIterator[Pool]:
    """A store that lists one origin."""
    opened = StoreOpened(
        name="The Corner",
        slug="corner",
        currency="GBP",
        timezone="Europe/London",
        prices_include_tax=True,
        tax_rates={},
        allowed_origins=(ORIGIN,),
    )
    await fill(servers, store_origins.PROJECTION, [recorded(opened)])
    settings = PoolSettings(application_name="tests", max_size=1)
    async with build_pool(servers.url_as(DatabaseRole.READ_API), settings) as opened_pool:
        yield opened_pool


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        (ORIGIN, True),
        ("https://corner.example.evil", False),
        ("https://corner", False),
        ("null", False),
        ("", False),
        ("\0", False),
        ("' OR true --", False),
    ],
)
async def test_an_origin_is_known_if_a_store_lists_it_as_it_is(pool: Pool, origin: str, known: bool) -> None:  # noqa: FBT001 - a case's column
    """No part of it, nothing beside it."""
    assert await is_known_origin(pool, origin) is known


async def test_nobody_can_list_the_origins(pool: Pool) -> None:
    """One must be named to be seen."""
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM read.store_origins__v1") == 0
