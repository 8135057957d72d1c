"""Where each tenant's log ends: Redis has usually been told; else the log is asked, by the one function that tells."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from uuid import UUID

import structlog

from read_side.query_execution.cache import REDIS_FAILURES
from read_side.query_execution.single_flight import Flight, SingleFlight
from read_side.query_execution.table import told_as_unavailable
from shared_kernel.database.pool import Pool
from shared_kernel.errors import UnavailableError
from shared_kernel.redis.heads import raise_head
from shared_kernel.redis.multiplexed import MultiplexedRedis

_HEAD_OF: Final = "SELECT log.head_of($1)"
_ASK_SECONDS: Final = 0.5
"""An answer waits no longer than this to learn its lag; it is then told as unknown."""
_SILENT_SECONDS: Final = 2.0
"""A write database that did not answer is not asked again by every request meanwhile."""

_log = structlog.get_logger("shelfwise.queries")


class Heads:
    """Asks `log.head_of` on the write database, through a small pool; without one, heads are known from Redis only."""

    def __init__(
        self, pool: Pool | None, redis: MultiplexedRedis, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._now = now
        self._silent_until = 0.0
        self._flights: SingleFlight[int] = SingleFlight(open_seconds=_ASK_SECONDS, finish_seconds=_ASK_SECONDS)

    async def head(self, tenant_id: UUID) -> int | None:
        """The last position, known now or a moment ago; None where nobody answers."""
        if self._pool is None or self._now() < self._silent_until:
            return None
        try:
            return await self._flights.join(tenant_id, lambda flight: self._ask(tenant_id, flight))
        except UnavailableError:
            self._fall_silent()
            return None

    async def certain_head(self, tenant_id: UUID) -> int | None:
        """The last position as of a moment after the call: nothing committed before it is missing."""
        if self._pool is None:
            return None
        try:
            return await self._flights.start(tenant_id, lambda flight: self._ask(tenant_id, flight))
        except UnavailableError:
            self._fall_silent()
            return None

    async def aclose(self) -> None:
        """End what is being asked."""
        await self._flights.aclose()

    async def _ask(self, tenant_id: UUID, flight: Flight) -> int:
        assert self._pool is not None
        with told_as_unavailable():
            async with self._pool.acquire(timeout=_ASK_SECONDS) as connection:
                position: int = await connection.fetchval(_HEAD_OF, tenant_id, timeout=_ASK_SECONDS) or 0
        flight.open()
        with suppress(*REDIS_FAILURES):  # the head is known here; that others must ask as well is no loss
            async with asyncio.timeout(_ASK_SECONDS):
                await raise_head(self._redis, tenant_id, position)
        return position

    def _fall_silent(self) -> None:
        self._silent_until = self._now() + _SILENT_SECONDS
        _log.warning("log_head_unknown", silent_seconds=_SILENT_SECONDS)
