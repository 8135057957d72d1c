"""What waits for nothing: the hint after a commit."""

import asyncio
from typing import Final

from arq.connections import ArqRedis

from shared_kernel.background import beside
from shared_kernel.doorbell import RedisDoorbell
from shared_kernel.identifiers import new_id
from shared_kernel.redis.keys import DOORBELL_CHANNEL
from shared_kernel.redis.listening import Listener
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.subscription.hints import hint
from tests.shared_kernel.redis.misbehaving import serving
from tests.shared_kernel.redis.stoppable import StoppableValkey

_PATIENCE_SECONDS: Final = 60.0


async def test_no_hint_waits_for_a_job(valkey: StoppableValkey) -> None:
    """While arq's Redis does not answer, every ring is heard; and who closes waits for a second at most."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    begun = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            continue

    listener = Listener.from_url(
        valkey.url, {DOORBELL_CHANNEL: heard.put_nowait}, client_name="tests", on_begin=begun.set
    )
    async with (
        serving(hang) as hanging_url,
        MultiplexedRedis.from_url(valkey.url) as redis,
        beside(listener.run(), name="tests"),
    ):
        await redis.connect()
        await asyncio.wait_for(begun.wait(), _PATIENCE_SECONDS)
        async with ArqRedis.from_url(hanging_url) as jobs:
            doorbell = RedisDoorbell(redis, jobs)
            for position, tenant_id in enumerate((new_id(), new_id()), start=1):
                doorbell.ring(tenant_id, position)
                said = await asyncio.wait_for(heard.get(), _PATIENCE_SECONDS)
                assert said.decode() == hint(tenant_id, position)
            await asyncio.wait_for(doorbell.aclose(), _PATIENCE_SECONDS)
