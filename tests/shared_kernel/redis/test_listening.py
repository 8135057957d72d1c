"""A Listener hears what is said while it is connected, and comes back by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from structlog.testing import capture_logs

from shared_kernel.background import beside
from shared_kernel.redis.address import parse_redis_url
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.listening import QUIET_SECONDS, Listener
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.shared_kernel.redis.misbehaving import misbehaving, read_command
from tests.shared_kernel.redis.stoppable import StoppableValkey

QUICK_TO_RETURN: Final = ConnectionLimits(connect_seconds=10, backoff_seconds=0.01, backoff_cap_seconds=0.05)
PATIENCE_SECONDS: Final = 60.0
_SUBSCRIBED: Final = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"


class Heard:
    """What a listener has heard and noticed, in order."""

    def __init__(self) -> None:
        self.log: asyncio.Queue[str] = asyncio.Queue()

    def note(self, channel: str, message: bytes) -> None:
        """Take a message down."""
        self.log.put_nowait(f"{channel}: {message!r}")

    async def next(self) -> str:
        """Wait for it."""
        return await asyncio.wait_for(self.log.get(), PATIENCE_SECONDS)


async def test_each_channel_has_its_own_ear(valkey: StoppableValkey) -> None:
    """Whatever the bytes are; a channel that was not asked for is not heard."""
    channels = ("news", "gossip")
    async with listening(valkey.url, channels=channels) as heard, MultiplexedRedis.from_url(valkey.url) as redis:
        await redis.connect()
        assert await heard.next() == "begin"
        for channel, message in (("other", "unheard"), ("news", "one"), ("gossip", "two"), ("news", b"\r\n\xff")):
            await redis.call("PUBLISH", channel, message)

        assert [await heard.next() for _ in range(3)] == ["news: b'one'", "gossip: b'two'", r"news: b'\r\n\xff'"]


async def test_a_server_that_dies_and_returns_is_heard_again(valkey: StoppableValkey) -> None:
    """Whoever listens is told that it was away."""
    async with listening(valkey.url) as heard, MultiplexedRedis.from_url(valkey.url, limits=QUICK_TO_RETURN) as redis:
        assert await heard.next() == "begin"
        valkey.stop()
        try:
            assert await heard.next() == "end"
        finally:
            valkey.start()
        assert await heard.next() == "begin"
        await redis.connect()
        await redis.call("PUBLISH", "news", "again")
        assert await heard.next() == "news: b'again'"


async def test_a_listener_that_ends_leaves_no_connection(valkey: StoppableValkey) -> None:
    """The server knows of no subscriber, and no task is left."""
    async with MultiplexedRedis.from_url(valkey.url) as redis:
        await redis.connect()
        tasks = asyncio.all_tasks()
        async with listening(valkey.url) as heard:
            assert await heard.next() == "begin"
            assert await redis.call("PUBLISH", "news", "one") == 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await redis.call("PUBLISH", "news", "two"):
                await asyncio.sleep(0.005)
        assert asyncio.all_tasks() == tasks


async def test_a_silent_server_is_asked_and_then_left() -> None:
    """One that answers when it is asked is kept; one that hangs is connected to anew."""
    connections = 0

    async def hang_after_one_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        assert (await read_command(reader))[0] == b"SUBSCRIBE"
        writer.write(_SUBSCRIBED)
        assert await read_command(reader) == [b"PING"]
        writer.write(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
        assert await read_command(reader) == [b"PING"]
        await reader.read()

    async with misbehaving(hang_after_one_answer) as url, listening(url, quiet_seconds=0.05) as heard:
        assert [await heard.next() for _ in range(3)] == ["begin", "end", "begin"]
        assert connections == 2


async def test_a_server_that_refuses_or_babbles_is_tried_again() -> None:
    """An error, then no RESP at all, then a subscription."""
    connections = 0

    async def better_each_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_command(reader)
        writer.write((b"-NOPERM no such channel for you\r\n", b"HTTP/1.1 400\r\n", _SUBSCRIBED)[connections - 1])
        await reader.read()

    async with misbehaving(better_each_time) as url, listening(url) as heard:
        assert await heard.next() == "begin"
        assert connections == 3
        assert heard.log.empty()


async def test_a_server_that_never_says_anything_is_told_of_once() -> None:
    """However often it is tried, and however long each try takes beside the longest pause."""
    tries = asyncio.Event()
    connections = 0

    async def accept_and_say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 4:
            tries.set()
        await reader.read()

    impatient = ConnectionLimits(connect_seconds=0.05, backoff_seconds=0.001, backoff_cap_seconds=0.002)
    with capture_logs() as logged:
        async with misbehaving(accept_and_say_nothing) as url:
            listener = Listener(parse_redis_url(url), {"news": len}, client_name="test", limits=impatient)
            async with beside(listener.run(), name="listener"), asyncio.timeout(PATIENCE_SECONDS):
                await tries.wait()
    assert [entry["event"] for entry in logged] == ["redis_not_heard"]


@asynccontextmanager
async def listening(
    url: str, *, channels: Sequence[str] = ("news",), quiet_seconds: float = QUIET_SECONDS
) -> AsyncIterator[Heard]:
    """A listener to these channels."""
    heard = Heard()
    listener = Listener(
        parse_redis_url(url),
        {channel: partial(heard.note, channel) for channel in channels},
        client_name="tests",
        limits=QUICK_TO_RETURN,
        quiet_seconds=quiet_seconds,
        on_begin=lambda: heard.log.put_nowait("begin"),
        on_end=lambda: heard.log.put_nowait("end"),
    )
    async with beside(listener.run(), name="tests"):
        yield heard
