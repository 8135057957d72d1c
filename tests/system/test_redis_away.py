"""Redis emptied, and Redis gone, under a load: commands and reads go on, nothing older is shown, the cache heals."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from redis.asyncio import Redis

from operations.servers.valkey import stop_valkey
from projections.runtime.cache import WRITE, TenantCache
from projections.runtime.errors import LeaseLostError
from projections.runtime.leases import Lease
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.eventually import eventually
from tests.servers import Run, own_valkey
from tests.system.house import House, open_house
from tests.system.shops import Visitor, good, open_shop, order, position
from tests.system.verifying import EVERY_PROJECTION, verify

_OUTAGE_SECONDS = 10.0
_BUYERS = 3
_WAIT_SECONDS = 10


class _Load:
    """Buyers who each buy, and look at what they bought and at the shelf, again and again; every answer is checked."""

    def __init__(self, shop: Visitor, location_id: str, edition_id: str) -> None:
        self._shop = shop
        self._location_id = location_id
        self._edition_id = edition_id
        self.bought = 0

    async def run(self, *, seconds: float) -> Counter[str]:
        """So long; where the reads came from."""
        deadline = time.monotonic() + seconds
        return sum(await asyncio.gather(*(self._buy_until(deadline) for _ in range(_BUYERS))), Counter())

    async def look(self) -> str:
        """Where the shelf is shown from; it is never older than the last sale."""
        answer = await self._shop.get(f"/stock/{self._edition_id}")
        assert good(answer)["reserved"] <= self.bought
        return str(answer.json()["meta"]["source"])

    async def _buy_until(self, deadline: float) -> Counter[str]:
        sources: Counter[str] = Counter()
        while time.monotonic() < deadline:
            placed = await self._shop.post("/orders", order(self._location_id, (self._edition_id, 1)))
            self.bought += 1
            at, least, path = position(placed), self.bought, f"/orders/{good(placed)['id']}"
            shelf = await self._shop.get(f"/stock/{self._edition_id}", at=at, wait=_WAIT_SECONDS)
            assert position(shelf) >= at
            assert good(shelf)["reserved"] >= least - _BUYERS
            shown = await self._shop.get(path, at=at, wait=_WAIT_SECONDS)
            assert good(shown)["status"] == "placed"
            sources[shown.json()["meta"]["source"]] += 1
        return sources


@pytest.fixture
def own_house(run: Run) -> Iterator[House]:
    """Whose Redis may go away."""
    with open_house(run) as opened:
        yield opened


async def test_redis_is_gone_for_ten_seconds(own_house: House) -> None:
    """No failed command, no failed read, everything projected meanwhile; afterwards the cache answers again."""
    async with open_shop(own_house) as shop:
        load = _Load(shop, *await shop.shelf(10_000))
        assert (await load.run(seconds=1))["cache"]

        stop_valkey(own_house.valkey)
        sources = await load.run(seconds=_OUTAGE_SECONDS)
        assert set(sources) == {"table"}
        assert sources["table"] >= _BUYERS * 3

        with own_valkey(own_house.folder, preferred_port=own_house.valkey.port) as (_, url):
            assert url == own_house.servers.redis_url
            await eventually(load.look, lambda source: source == "cache")
            assert (await load.run(seconds=1))["cache"]
            for verified in await verify(own_house.servers, shop.tenant.id, *EVERY_PROJECTION):
                assert verified.identical, verified
            # Sums gather: the last orders may be a moment away.
            await eventually(
                partial(shop.ask, "/store-counts"), lambda counts: counts["orders"]["placed"] == load.bought
            )


async def test_redis_is_emptied_under_load(shop: Visitor) -> None:
    """No failed command, no older state; within moments the cache answers again."""
    load = _Load(shop, *await shop.shelf(10_000))
    async with Redis.from_url(shop.house.servers.redis_url) as redis:
        for _ in range(3):
            running = asyncio.create_task(load.run(seconds=1))
            await redis.flushall()
            await running
            await eventually(load.look, lambda source: source == "cache")

    for verified in await verify(shop.house.servers, shop.tenant.id, *EVERY_PROJECTION):
        assert verified.identical, verified


async def test_a_zombie_writes_nothing_after_a_flush(shop: Visitor) -> None:
    """Neither with the incarnation it remembers nor by beginning one: its epoch is not the newest any more."""
    keys = TenantKeys(shop.tenant.id)
    load = _Load(shop, *await shop.shelf())
    await eventually(load.look, lambda source: source == "cache")
    settings = PoolSettings(application_name="zombie", max_size=1)
    async with (
        Redis.from_url(shop.house.servers.redis_url) as redis,
        MultiplexedRedis.from_url(shop.house.servers.redis_url, client_name="zombie") as multiplexed,
        build_pool(shop.house.servers.url_as(DatabaseRole.PROJECTOR), settings) as pool,
    ):
        await multiplexed.connect()
        incarnation, epoch = await redis.hmget(keys.state_key(), "i", "e")
        lie = keys.row_key(incarnation=incarnation.decode(), projection="stock_levels", version=1, build=1, row_key="k")
        remembered = [incarnation, int(epoch), 15_000, 60, 0, 1, 1, b"{}"]
        await redis.flushall()

        refused = await WRITE.run(multiplexed, keys=[keys.state_key(), lie], args=remembered)
        zombie = TenantCache(
            redis=multiplexed, pool=pool, lease=Lease(shard=shard_of(shop.tenant.id), epoch=int(epoch) - 1)
        )
        with pytest.raises(LeaseLostError):
            await zombie.write({shop.tenant.id: []}, {})

        await eventually(load.look, lambda source: source == "cache")
        late = await WRITE.run(multiplexed, keys=[keys.state_key(), lie], args=remembered)
        assert (refused, late) == (0, 0)
        assert await redis.exists(lie) == 0
