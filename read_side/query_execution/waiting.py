"""Waiting for a view to reach a position: woken by the projector's word, looking now and then in case it was lost."""

import time
from collections.abc import Awaitable, Callable

from read_side.query_execution.asking import Asked
from read_side.query_execution.cache import Look
from read_side.query_execution.errors import TooManyWaitingError
from read_side.query_execution.waking import Place, WaitingRoom
from shared_kernel.redis.state import ProjectionState

LookAtRedis = Callable[[Asked], Awaitable[Look]]
RefuseUnknown = Callable[[Asked, int | None], Awaitable[None]]
LookAtTable = Callable[[Asked], Awaitable[ProjectionState | None]]


class Waiting:
    """Those who wait in this process."""

    def __init__(
        self, *, room: WaitingRoom, in_redis: LookAtRedis, in_table: LookAtTable, refuse_unknown: RefuseUnknown
    ) -> None:
        """Look with these.

        Args:
            refuse_unknown: raises where the log ends before what is waited for, given where Redis says that it does.
        """
        self._room = room
        self._refuse_unknown = refuse_unknown
        self._in_redis = in_redis
        self._in_table = in_table
        self._waiters = 0

    async def look_when_satisfied(self, place: Place) -> Look:
        """The look that shows the position asked for; or, once the table shows it or the time is up, the last one.

        Raises:
            TooManyWaitingError: the bound is reached.
            PositionUnknownError: no waiting helps.
            UnavailableError: neither Redis nor PostgreSQL can tell.
        """
        if self._waiters >= self._room.max_waiters:
            raise TooManyWaitingError("too many requests are waiting for a position; try again")
        self._waiters += 1
        try:
            return await self._look(place, deadline=time.monotonic() + place.asked.wait_seconds)
        finally:
            self._waiters -= 1

    async def _look(self, place: Place, *, deadline: float) -> Look:
        asked, pauses = place.asked, self._room.pauses
        pause_seconds = self._room.pause_after(0.0)
        table_at = time.monotonic() + pauses.table_beside
        is_known = False
        # Bounded by the deadline, which is at most ten seconds away.
        while True:
            await place.sleep(min(pause_seconds, max(0.0, deadline - time.monotonic())))
            look = await self._in_redis(asked)
            state = look.state
            pause_seconds = pauses.table if state is None else self._room.pause_after(pause_seconds)
            if state is None or time.monotonic() >= table_at:
                state = await self._in_table(asked)
                table_at = time.monotonic() + pauses.table_beside
            if (state is not None and asked.is_satisfied_by(state)) or time.monotonic() >= deadline:
                return look
            if not is_known:  # not before: the head is told beside the commit, and most are shown by now
                await self._refuse_unknown(asked, look.head)
                is_known = True
