"""One connection that many callers share: what they send in one tick goes out at once, replies come back in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, cast

import hiredis

from shared_kernel.redis.errors import RedisAway, RedisSaturated, RedisTimeout, reply_error
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.replies import Awaited, AwaitedReplies, AwaitedReply, Reply

_INCOMPLETE: Final = object()
# Timers may fire a clock tick early: look again a little later, and do not spin.
_SHORTEST_LOOK_SECONDS: Final = 0.001


class Wire(asyncio.Protocol):
    """Matches replies to callers by order alone, so nothing is ever taken out of the middle of the queue.

    A caller that leaves, by cancellation or timeout, stays queued until its reply comes and is discarded. Everybody
    waits equally long, so those timed out are always the oldest: a count of them at the head of the queue suffices.
    """

    def __init__(self, *, limits: ConnectionLimits, on_lost: Callable[["Wire", str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._on_lost = on_lost
        self._reader = hiredis.Reader(replyError=reply_error, notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._awaited: deque[Awaited] = deque()
        self._timed_out = 0
        self._writable = True
        self._timer: asyncio.TimerHandle | None = None
        self.in_flight = 0

    @property
    def alive(self) -> bool:
        """Whether commands are accepted."""
        return self._transport is not None

    def send(self, packed: bytes) -> asyncio.Future[Reply]:
        """Queue one command; the future raises an error reply."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._queue(packed, AwaitedReply(future, monotonic()))
        return future

    def send_all(self, packed: Sequence[bytes]) -> asyncio.Future[list[Reply]]:
        """Queue commands that go out together; the future holds error replies in their places."""
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        self._queue(b"".join(packed), AwaitedReplies(future, monotonic(), len(packed)))
        return future

    def abort(self, reason: str) -> None:
        """Drop the connection, failing all that is in flight; the second time nothing happens."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        self._outgoing.clear()
        while self._awaited:
            self._awaited.popleft().fail(RedisAway(reason))
        self.in_flight = 0
        self._on_lost(self, reason)

    def _queue(self, packed: bytes, awaited: Awaited) -> None:
        if self._transport is None:
            reason = "the connection to Redis is closed"
            raise RedisAway(reason)
        if not self._writable or self.in_flight + awaited.size > self._limits.max_in_flight:
            reason = f"{self.in_flight} commands to Redis are in flight"
            raise RedisSaturated(reason)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(packed)
        self._awaited.append(awaited)
        self.in_flight += awaited.size
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.timeout_seconds, self._expire)

    def _flush(self) -> None:
        if self._transport is not None:
            outgoing = b"".join(self._outgoing)
            self._outgoing.clear()
            self._transport.write(outgoing)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept commands from now on."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.max_unsent_bytes)

    def pause_writing(self) -> None:
        """Refuse commands: the socket has not taken `max_unsent_bytes`."""
        self._writable = False

    def resume_writing(self) -> None:
        """Accept commands again."""
        self._writable = True

    def data_received(self, data: bytes) -> None:
        """Hand every complete reply to whoever is next in line."""
        try:
            self._reader.feed(data)
            while self._transport is not None and (reply := self._reader.gets()) is not _INCOMPLETE:
                self._settle(reply)
        except hiredis.HiredisError as error:
            self.abort(f"Redis broke the protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all that is in flight."""
        self.abort("Redis closed the connection" if exc is None else f"the connection to Redis broke: {exc}")

    def _settle(self, reply: Reply) -> None:
        if not self._awaited:
            self.abort("Redis broke the protocol: a reply that nobody asked for")
            return
        awaited = self._awaited[0]
        if awaited.take(reply):
            self._awaited.popleft()
            self.in_flight -= awaited.size
            if self._timed_out:
                self._timed_out -= 1

    def _expire(self) -> None:
        """Fail whoever has waited too long; drop the connection when even the oldest reply does not come."""
        self._timer = None
        if not self._awaited:
            return
        now = monotonic()
        stalls_at = self._awaited[0].sent_at + self._limits.stall_seconds
        if stalls_at <= now:
            self.abort(f"Redis has not answered for {self._limits.stall_seconds} s")
            return
        next_look_at = min(stalls_at, self._expire_waiting(now))
        self._timer = self._loop.call_later(max(next_look_at - now, _SHORTEST_LOOK_SECONDS), self._expire)

    def _expire_waiting(self, now: float) -> float:
        """Fail those past their time and return when the next one, perhaps one that is yet to come, can be due."""
        timeout_seconds = self._limits.timeout_seconds
        while self._timed_out < len(self._awaited):
            awaited = self._awaited[self._timed_out]
            if awaited.sent_at + timeout_seconds > now:
                return awaited.sent_at + timeout_seconds
            awaited.fail(RedisTimeout(f"Redis has not answered within {timeout_seconds} s"))
            self._timed_out += 1
        return now + timeout_seconds
