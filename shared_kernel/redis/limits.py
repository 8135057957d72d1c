"""The bounds of a multiplexed connection."""

from random import SystemRandom
from typing import Final

import msgspec

_LARGEST_EXPONENT: Final = 16
"""Keeps 2**attempt small; the cap has long been reached."""
_random: Final = SystemRandom()


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """A shared connection has no pool whose size bounds it: everything is bounded here.

    max_in_flight: commands sent and not answered; 4096 is some 200 ms of a saturated Redis, past it waiting is worse.
    timeout_seconds: what a caller waits for its reply before it goes on without Redis.
    stall_seconds: the age of the oldest unanswered command at which the connection is taken for dead.
    connect_seconds: for one attempt, handshake included, and for `connect()` as a whole.
    backoff_seconds, backoff_cap_seconds: the first and the largest bound of the random pause between attempts.
    max_unsent_bytes: what the socket has not taken yet, past which nothing more is accepted.
    """

    max_in_flight: int = 4096
    timeout_seconds: float = 0.25
    stall_seconds: float = 1.0
    connect_seconds: float = 1.0
    backoff_seconds: float = 0.05
    backoff_cap_seconds: float = 1.0
    max_unsent_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.stall_seconds < self.timeout_seconds:
            message = "stall_seconds below timeout_seconds would drop a connection whose callers still wait"
            raise ValueError(message)
        if self.max_in_flight < 1:
            message = "max_in_flight is at least 1"
            raise ValueError(message)

    def pause_seconds(self, attempt: int) -> float:
        """Before the next attempt to connect: full jitter, so that a thousand processes do not come back in step."""
        bound_seconds = self.backoff_seconds * 2 ** min(attempt, _LARGEST_EXPONENT)
        return _random.uniform(0, min(self.backoff_cap_seconds, bound_seconds))
