"""MultiplexedRedis when the other side dies, hangs or babbles."""

import asyncio
import time
from collections.abc import Callable

import pytest

from shared_kernel.redis.errors import RedisAway, RedisTimeout
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.shared_kernel.redis.misbehaving import misbehaving, read_command, serving
from tests.shared_kernel.redis.stoppable import StoppableValkey

QUICK_TO_RETURN = ConnectionLimits(
    timeout_seconds=10, stall_seconds=10, connect_seconds=10, backoff_seconds=0.01, backoff_cap_seconds=0.05
)
PATIENCE_SECONDS = 60.0


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until `holds`, within PATIENCE_SECONDS."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_server_that_dies_and_returns_is_found_again(valkey: StoppableValkey) -> None:
    """While it is away calls fail at once; afterwards the same client serves, with nobody's help."""
    async with MultiplexedRedis.from_url(valkey.url, limits=QUICK_TO_RETURN) as redis:
        await redis.connect()
        valkey.stop()
        try:
            await eventually(lambda: not redis.connected)
            started = time.monotonic()
            for _ in range(100):
                with pytest.raises(RedisAway):
                    await redis.call("PING")
            assert time.monotonic() - started < QUICK_TO_RETURN.timeout_seconds
        finally:
            valkey.start()
        await eventually(lambda: redis.connected)
        assert await redis.call("ECHO", "again") == b"again"


async def test_losing_the_connection_fails_all_in_flight_at_once() -> None:
    """A server that closes in the middle of a reply leaves no caller waiting for its timeout."""

    async def close_mid_reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_command(reader)
        writer.write(b"$3\r\none\r\n$100\r\nonly the beginn")
        await writer.drain()

    async with misbehaving(close_mid_reply) as url, MultiplexedRedis.from_url(url, limits=QUICK_TO_RETURN) as redis:
        await redis.connect()
        outcomes = await asyncio.gather(*(redis.call("ECHO", n) for n in range(3)), return_exceptions=True)
        assert outcomes[0] == b"one"
        assert [type(outcome) for outcome in outcomes[1:]] == [RedisAway, RedisAway]
        assert redis.in_flight == 0


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\0", b"$-5\r\n", b":12x\r\n"])
async def test_garbage_drops_the_connection(garbage: bytes) -> None:
    """What is no RESP is never handed to anybody, and the next connection starts afresh."""
    connections = 0

    async def babble_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_command(reader)
        writer.write(garbage if connections == 1 else b"+fine\r\n")
        await writer.drain()
        await reader.read()

    async with misbehaving(babble_once) as url, MultiplexedRedis.from_url(url, limits=QUICK_TO_RETURN) as redis:
        await redis.connect()
        with pytest.raises(RedisAway, match="protocol"):
            await redis.call("PING")
        await eventually(lambda: redis.connected)
        assert await redis.call("PING") == b"fine"


async def test_a_reply_that_nobody_asked_for_drops_the_connection() -> None:
    """One reply too many would shift every later reply to the wrong caller."""

    async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_command(reader)
        writer.write(b"+yours\r\n+whose?\r\n")
        await writer.drain()
        await reader.read()

    async with misbehaving(answer_twice) as url, MultiplexedRedis.from_url(url, limits=QUICK_TO_RETURN) as redis:
        await redis.connect()
        assert await redis.call("PING") == b"yours"
        assert not redis.connected


async def test_a_server_that_hangs_times_callers_out_and_is_then_dropped() -> None:
    """First the caller goes on without Redis; once the oldest is past the stall bound, the connection goes."""

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    limits = ConnectionLimits(timeout_seconds=0.05, stall_seconds=0.3, connect_seconds=10)
    async with misbehaving(hang) as url, MultiplexedRedis.from_url(url, limits=limits) as redis:
        await redis.connect()
        started = time.monotonic()
        with pytest.raises(RedisTimeout):
            await redis.call("PING")
        assert time.monotonic() - started >= 0.05
        assert redis.in_flight == 1
        with pytest.raises(RedisTimeout):
            await redis.call("PING")
        assert redis.in_flight == 2
        await eventually(lambda: redis.in_flight == 0)
        assert time.monotonic() - started >= 0.3


async def test_a_server_that_accepts_and_says_nothing_is_not_connected_to() -> None:
    """The handshake has a deadline, and connect() one of its own."""

    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    limits = ConnectionLimits(timeout_seconds=0.05, stall_seconds=0.1, connect_seconds=0.2)
    async with serving(mute) as url, MultiplexedRedis.from_url(url, limits=limits) as redis:
        with pytest.raises(RedisAway):
            await redis.connect()
        with pytest.raises(RedisAway):
            await redis.call("PING")


async def test_a_socket_that_takes_nothing_refuses_before_memory_fills() -> None:
    """What is not yet sent is bounded in bytes, whatever the number of commands."""
    gate = asyncio.Event()

    async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's socket transports have it
        await gate.wait()

    limits = ConnectionLimits(timeout_seconds=10, stall_seconds=10, connect_seconds=10, max_unsent_bytes=100_000)
    async with misbehaving(deaf) as url, MultiplexedRedis.from_url(url, limits=limits) as redis:
        await redis.connect()
        body = b"x" * 1_000_000
        calls = []
        for _ in range(100):  # far more than any socket buffer takes
            calls.append(asyncio.create_task(redis.call("SET", "k", body)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        refused = [call for call in calls if call.done()]
        assert refused
        assert {str(call.exception()).split(" ", 1)[1] for call in refused} == {"commands to Redis are in flight"}
        gate.set()
        await redis.aclose()
        await asyncio.gather(*calls, return_exceptions=True)
