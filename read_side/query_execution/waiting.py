"""Waiting for a view to reach a position: quick looks at Redis, slow ones at PostgreSQL, bounded in time and number."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from read_side.query_execution.asking import Asked
from read_side.query_execution.errors import TooManyWaitingError
from shared_kernel.redis.state import ProjectionState

_FIRST_PAUSE_SECONDS: Final = 0.002
"""A projector that was woken by the doorbell shows a commit after 1.3 ms."""
_LAST_PAUSE_SECONDS: Final = 0.05
_GROWTH: Final = 1.5
_TABLE_PAUSE_SECONDS: Final = 0.05
"""Between looks at PostgreSQL while Redis has nothing to say."""
_TABLE_BESIDE_SECONDS: Final = 0.5
"""Between looks at PostgreSQL while Redis speaks: it may have stopped being written to."""
DEFAULT_MAX_WAITERS: Final = 256
"""Half of what a process answers at once; at 50 ms a look, 5,000 looks a second, which Redis does not feel."""

LookAtState = Callable[[Asked], Awaitable[ProjectionState | None]]


class Waiting:
    """Those who wait in this process."""

    def __init__(self, *, in_redis: LookAtState, in_table: LookAtState, max_waiters: int = DEFAULT_MAX_WAITERS) -> None:
        self._in_redis = in_redis
        self._in_table = in_table
        self._max_waiters = max_waiters
        self._waiters = 0

    async def until_satisfied(self, asked: Asked) -> None:
        """Return when the view has reached the position asked for, or the time is up: whoever reads then sees which.

        Raises:
            TooManyWaitingError: the bound is reached.
            UnavailableError: neither Redis nor PostgreSQL can tell.
        """
        if self._waiters >= self._max_waiters:
            raise TooManyWaitingError("too many requests are waiting for a position; try again")
        self._waiters += 1
        try:
            await self._poll(asked, deadline=time.monotonic() + asked.wait_seconds)
        finally:
            self._waiters -= 1

    async def _poll(self, asked: Asked, *, deadline: float) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        table_at = time.monotonic() + _TABLE_BESIDE_SECONDS
        # Bounded by the deadline, which is at most ten seconds away.
        while (left_seconds := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(pause_seconds, left_seconds))
            state = await self._in_redis(asked)
            if state is None:
                pause_seconds = _TABLE_PAUSE_SECONDS
            if state is None or time.monotonic() >= table_at:
                state = await self._in_table(asked)
                table_at = time.monotonic() + _TABLE_BESIDE_SECONDS
            if state is not None and asked.is_satisfied_by(state):
                return
            pause_seconds = min(pause_seconds * _GROWTH, _LAST_PAUSE_SECONDS)
