"""What Redis shows of a shard, while rounds and upkeep write it side by side."""

import asyncio
from collections.abc import Sequence

import redis

from projections.runtime.checkpoints import Checkpoint
from projections.runtime.shard import Shard
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import Command, Reply
from tests.builders.draining import parts_of
from tests.builders.order_log import id_of
from tests.builders.projecting import open_runtime
from tests.builders.tally import tally
from tests.servers import Servers

STORE = id_of("one")


class _SlowOnceRedis(MultiplexedRedis):
    """Redis, where one pipeline, once asked for, waits until it is let go; the others overtake it."""

    holds_next = False
    held: asyncio.Event
    let_go: asyncio.Event

    async def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Send, sometimes late."""
        if _SlowOnceRedis.holds_next:
            _SlowOnceRedis.holds_next = False
            self.held.set()
            await self.let_go.wait()
        return await super().pipeline(commands)


def checkpoint(position: int) -> Checkpoint:
    """The store's tally at a position."""
    return Checkpoint(
        tenant_id=STORE, name="tally", version=1, build=1, mode="live", position=position, as_of=None,
        revision=position, rows=1, parked=0,
    )  # fmt: skip


async def test_upkeep_that_is_overtaken_takes_nothing_back(servers: Servers) -> None:
    """A state that was looked up before a batch, and is sent after it, does not show the store as it was."""
    _SlowOnceRedis.held, _SlowOnceRedis.let_go = asyncio.Event(), asyncio.Event()
    async with open_runtime(servers, (tally(),), redis_client=_SlowOnceRedis) as runtime:
        shard = Shard(parts_of(runtime), await runtime.lease(shard_of(STORE)))
        shard.tenants.put([checkpoint(1)], blocked=[])
        await shard.write_through([STORE], {})
        _SlowOnceRedis.holds_next = True
        upkeep = asyncio.create_task(shard.write_through([STORE], {}))
        await _SlowOnceRedis.held.wait()
        batch = asyncio.create_task(shard.note_moved([checkpoint(2)], [STORE], {}))
        await asyncio.wait({batch}, timeout=0.2)
        _SlowOnceRedis.let_go.set()
        await asyncio.gather(upkeep, batch)
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        state = client.hget(TenantKeys(STORE).state_key(), "tally@1")
    assert state.split(b"|")[2] == b"2"
