"""Hearing what is published: one connection for as long as a process lives, which comes back by itself.

What is said while it is away is not heard by anybody: whoever listens must find out in another way as well.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import inf
from ssl import create_default_context
from time import monotonic
from typing import Final, Self, TypeAlias, cast

import hiredis
import structlog

from shared_kernel.redis.address import RedisAddress, parse_redis_url
from shared_kernel.redis.connecting import CONNECTION_FAILURES, handshake, open_socket
from shared_kernel.redis.errors import RedisAway, RedisReplyError, reply_error
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.replies import Command, Reply, pack_own

Hear: TypeAlias = Callable[[bytes], object]
"""Takes a message as it came; it returns at once and raises nothing, whatever the message is."""

QUIET_SECONDS: Final = 5.0
"""A connection silent this long is asked whether it still lives, and given up when it stays silent as long again."""
_INCOMPLETE: Final = object()
_log = structlog.get_logger(__name__)


def _nothing() -> None:
    """What follows where nobody wants to know."""


class Listener:
    """Hears some channels, each with a function of its own."""

    def __init__(
        self,
        address: RedisAddress,
        hear: Mapping[str, Hear],
        *,
        client_name: str,
        limits: ConnectionLimits | None = None,
        quiet_seconds: float = QUIET_SECONDS,
        on_begin: Callable[[], object] = _nothing,
        on_end: Callable[[], object] = _nothing,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            hear: by channel.
            on_begin: called when messages are heard from now on.
            on_end: called when they are not any more.
        """
        self._address = address
        self._hear = {channel.encode(): one for channel, one in hear.items()}
        self._client_name = client_name
        self._limits = limits or ConnectionLimits()
        self._quiet_seconds = quiet_seconds
        self._on_begin = on_begin
        self._on_end = on_end
        self._tls = create_default_context() if address.tls else None
        self._heard_at = inf

    @classmethod
    def from_url(
        cls,
        url: str,
        hear: Mapping[str, Hear],
        *,
        client_name: str,
        on_begin: Callable[[], object] = _nothing,
        on_end: Callable[[], object] = _nothing,
    ) -> Self:
        """Build from a URL as `MultiplexedRedis` does."""
        return cls(parse_redis_url(url), hear, client_name=client_name, on_begin=on_begin, on_end=on_end)

    async def run(self) -> None:
        """Hear until cancelled."""
        failures = 0
        # Unbounded in attempts, for an outage has no bound; bounded in rate.
        while True:
            self._heard_at = inf
            try:
                await self._hear_once()
            except CONNECTION_FAILURES as error:
                # Not by when it was tried: a server that says nothing at all takes that long to be given up.
                if monotonic() - self._heard_at > self._limits.backoff_cap_seconds:
                    failures = 0
                if failures == 0:  # once an outage, not once an attempt
                    _log.warning("redis_not_heard", client=self._client_name, error=str(error))
            await asyncio.sleep(self._limits.pause_seconds(failures))
            failures += 1

    async def _hear_once(self) -> None:
        """Subscribe and hear until the connection ends; it always raises one of CONNECTION_FAILURES."""
        ear = _Ear(self._hear, quiet_seconds=self._quiet_seconds)
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await open_socket(self._address, ear, self._tls)
                ear.say([*handshake(self._address, self._client_name), ("SUBSCRIBE", *self._hear)])
                await ear.subscribed.wait()
            if not ear.ended.done():
                self._heard_at = monotonic()
                self._on_begin()
                try:
                    await ear.ended
                finally:
                    self._on_end()
        finally:
            ear.end("this listener is closed")
        raise RedisAway(ear.ended.result())


class _Ear(asyncio.Protocol):
    """One connection, from its socket to its end."""

    def __init__(self, hear: Mapping[bytes, Hear], *, quiet_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._hear = hear
        self._unconfirmed = len(hear)
        self._quiet_seconds = quiet_seconds
        self._reader = hiredis.Reader(replyError=reply_error, notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_heard = False
        self._is_asked = False
        self.subscribed = asyncio.Event()
        """Set once every channel is, and at the end."""
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Why."""

    def say(self, commands: Sequence[Command]) -> None:
        """Send commands whose replies, unless they are errors, do not matter."""
        if self._transport is not None:
            self._transport.write(b"".join(pack_own(command) for command in commands))

    def end(self, reason: str) -> None:
        """Drop the connection; the second time nothing happens."""
        transport, self._transport = self._transport, None
        if self._timer is not None:
            self._timer.cancel()
        if transport is not None:
            transport.abort()
        if not self.ended.done():
            self.ended.set_result(reason)
            self.subscribed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look after it from now on."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(self._quiet_seconds, self._look)

    def data_received(self, data: bytes) -> None:
        """Hand every message to whoever hears its channel."""
        self._has_heard, self._is_asked = True, False
        try:
            self._reader.feed(data)
            while self._transport is not None and (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except hiredis.HiredisError as error:
            self.end(f"Redis broke the protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        self.end("Redis closed the connection" if exc is None else f"the connection to Redis broke: {exc}")

    def _take(self, reply: Reply) -> None:
        match reply:
            case [b"message", bytes() as channel, bytes() as message]:
                hear = self._hear.get(channel)
                if hear is not None:
                    hear(message)
            case [b"subscribe", *_]:
                self._unconfirmed -= 1
                if not self._unconfirmed:
                    self.subscribed.set()
            case RedisReplyError():
                self.end(f"Redis refused: {reply}")
            case _:  # the handshake's replies, and pongs
                return

    def _look(self) -> None:
        """Ask whether a silent server is still there, and leave one that does not say so."""
        if self._is_asked:
            self.end(f"Redis has said nothing for {2 * self._quiet_seconds} s")
            return
        if not self._has_heard:
            self._is_asked = True
            self.say([("PING",)])
        self._has_heard = False
        self._timer = self._loop.call_later(self._quiet_seconds, self._look)
