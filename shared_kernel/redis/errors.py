"""What can go wrong with Redis: it cannot serve now (go on without it), or it says the command is wrong (a bug)."""

from shared_kernel.errors import UnavailableError


class RedisUnavailable(UnavailableError):
    """Redis cannot serve this now; whatever caught this goes on without it. A client is never told the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__("A dependency is not answering; try again.")
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class RedisAway(RedisUnavailable):
    """There is no connection, or it was lost before the reply came (the command may have run)."""


class RedisSaturated(RedisUnavailable):
    """Too much is in flight already; this command was not sent."""


class RedisTimeout(RedisUnavailable):
    """No reply in time (the command may have run); its late reply is thrown away."""


class RedisReplyError(Exception):
    """Redis answered with an error: the command or the script is wrong."""


class RedisRefused(RedisReplyError, RedisUnavailable):
    """Redis answered that it cannot serve for reasons of its own: loading, out of memory, demoted, busy."""


# The first word of errors that are about the server's state and not about the command.
_SERVER_STATES = frozenset(
    {"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"}
)


def reply_error(text: str) -> RedisReplyError:
    """Tell a server that cannot serve from a command that is wrong, by the error's first word."""
    if text.partition(" ")[0] in _SERVER_STATES:
        return RedisRefused(text)
    return RedisReplyError(text)
