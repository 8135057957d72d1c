"""What wakes a stream: the projector's word at once, and slow looks where nobody heard it."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from read_side.app import Overrides
from shared_kernel.redis.keys import SHOWN_CHANNEL
from shared_kernel.redis.shown import encode_shown
from tests.eventually import eventually
from tests.read_side.live.conftest import QUICK
from tests.read_side.live.listening import listening
from tests.read_side.live.stage import make_tables, show
from tests.read_side.query_execution.books import state
from tests.read_side.query_execution.conftest import GENEROUS, Api, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

_NEVER_SECONDS = 3600.0


@pytest.fixture
async def told_only(servers: Servers) -> AsyncIterator[Api]:
    """Streams that do not look by themselves."""
    shelf = Shelf(servers)
    await shelf.prepare()
    await make_tables(servers)
    settings = msgspec.structs.replace(QUICK, poll_seconds=_NEVER_SECONDS)
    async with running_api(servers, shelf, Overrides(limits=GENEROUS, live=settings)) as running:
        yield running


async def test_the_projector_s_word_wakes_a_stream(told_only: Api, servers: Servers) -> None:
    """Of its own store; one look then tells what has changed, also what others said meanwhile."""
    tenant, key = await told_only.shelf.open_store()
    other, _ = await told_only.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with (
        Redis.from_url(servers.redis_url) as redis,
        listening(told_only.app, "locations", key) as client,
    ):
        await eventually(lambda: _listeners(redis))
        await client.event()
        await show(servers, tenant, {"locations": state(position=2)})
        await redis.publish(SHOWN_CHANNEL, encode_shown(other, [("locations@1", 9)]))
        await redis.publish(SHOWN_CHANNEL, encode_shown(tenant, [("locations@1", 2)]))
        assert (await client.event()).data["position"] == 2


async def test_a_word_that_nobody_understands_wakes_as_well(told_only: Api, servers: Servers) -> None:
    """Another release may say more; that there is news of a store, all say alike."""
    tenant, key = await told_only.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with (
        Redis.from_url(servers.redis_url) as redis,
        listening(told_only.app, "locations", key) as client,
    ):
        await eventually(lambda: _listeners(redis))
        await client.event()
        await show(servers, tenant, {"locations": state(position=2)})
        await redis.publish(SHOWN_CHANNEL, f"{tenant.hex} in other words")
        assert (await client.event()).data["position"] == 2


async def test_what_was_missed_while_redis_was_away_is_told(told_only: Api, servers: Servers) -> None:
    """Whoever cannot hear looks, and looks again once they hear."""
    tenant, key = await told_only.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with Redis.from_url(servers.redis_url) as redis, listening(told_only.app, "locations", key) as client:
        await eventually(lambda: _listeners(redis))
        await client.event()
        await told_only.redis.shut()
        await show(servers, tenant, {"locations": state(position=2)})
        await told_only.redis.open()
        assert (await client.event()).data["position"] == 2


async def _listeners(redis: Redis) -> bool:
    return bool((await redis.pubsub_numsub(SHOWN_CHANNEL))[0][1])
