"""Commands and replies (RESP2), and the two shapes in which replies are awaited."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, cast

import hiredis

from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable

Argument: TypeAlias = bytes | str | int
Command: TypeAlias = Sequence[Argument]
Reply: TypeAlias = "int | bytes | RedisReplyError | list[Reply] | None"

# hiredis' own annotation says a tuple of exactly one element; it takes any number.
_pack = cast("Callable[[tuple[Argument, ...]], bytes]", hiredis.pack_command)

# These change what the connection is or when it answers, for everybody who shares it; after SUBSCRIBE or
# CLIENT REPLY OFF, replies would reach the wrong callers. Their jobs get connections of their own.
_NOT_SHAREABLE = frozenset(
    {
        *("AUTH", "CLIENT", "HELLO", "QUIT", "READONLY", "READWRITE", "RESET", "SELECT"),
        *("DISCARD", "EXEC", "MULTI", "UNWATCH", "WATCH"),
        *("MONITOR", "PSUBSCRIBE", "PSYNC", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUBSCRIBE", "SUNSUBSCRIBE", "SYNC"),
        *("UNSUBSCRIBE", "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN"),
        *("WAIT", "WAITAOF"),
    }
)


def pack_shared(command: Command) -> bytes:
    """Encode a command for a shared connection.

    Raises: ValueError for a command that would change the connection for everybody on it.
    """
    name = command[0]
    word = (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).upper()
    if word in _NOT_SHAREABLE:
        message = f"{word} needs a connection of its own"
        raise ValueError(message)
    return _pack(tuple(command))


def pack_own(command: Command) -> bytes:
    """Encode a command by which a connection prepares itself, before anybody shares it."""
    return _pack(tuple(command))


class Awaited(Protocol):
    """Somebody waiting for `size` replies in a row, since `sent_at` (monotonic seconds)."""

    size: int
    sent_at: float

    def take(self, reply: Reply, /) -> bool:
        """Accept the next reply; true when it was the last."""

    def fail(self, error: RedisUnavailable, /) -> None:
        """Give up, unless the caller already has: replies that still come are discarded."""


class AwaitedReply:
    """One command's reply; an error reply is raised in the caller."""

    __slots__ = ("future", "sent_at", "size")

    def __init__(self, future: asyncio.Future[Reply], sent_at: float) -> None:
        self.future = future
        self.sent_at = sent_at
        self.size = 1

    def take(self, reply: Reply, /) -> bool:
        """Hand the reply over, unless the caller has left."""
        if not self.future.done():
            if isinstance(reply, RedisReplyError):
                self.future.set_exception(reply)
            else:
                self.future.set_result(reply)
        return True

    def fail(self, error: RedisUnavailable, /) -> None:
        """Raise in the caller, unless it has left."""
        if not self.future.done():
            self.future.set_exception(error)


class AwaitedReplies:
    """A pipeline's replies, in order; an error reply stays in its place."""

    __slots__ = ("future", "replies", "sent_at", "size")

    def __init__(self, future: asyncio.Future[list[Reply]], sent_at: float, size: int) -> None:
        self.future = future
        self.sent_at = sent_at
        self.size = size
        self.replies: list[Reply] = []

    def take(self, reply: Reply, /) -> bool:
        """Collect, and hand all over with the last."""
        self.replies.append(reply)
        if len(self.replies) < self.size:
            return False
        if not self.future.done():
            self.future.set_result(self.replies)
        return True

    def fail(self, error: RedisUnavailable, /) -> None:
        """Raise in the caller, unless it has left."""
        if not self.future.done():
            self.future.set_exception(error)
