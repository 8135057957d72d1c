"""A revocation is committed before it is told."""

import asyncio

from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.shared_kernel.redis.misbehaving import misbehaving, read_command


async def test_a_redis_that_refuses_the_message_fails_no_command() -> None:
    """It was heard of, and nothing is raised."""
    asked: list[list[bytes]] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_command(reader))
        writer.write(b"-NOPERM No permissions to access a channel\r\n")
        await reader.read()

    async with misbehaving(refuse) as url, MultiplexedRedis.from_url(url) as client:
        await client.connect()
        await RevocationMessages(client).announce("0" * 64)

    assert asked[0][0] == b"PUBLISH"
