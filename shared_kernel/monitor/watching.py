"""A process that looks all the time, so that whoever asks it is answered at once, and red where it cannot see."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import asyncpg
import msgspec
import structlog

from shared_kernel.database.pool import Pool
from shared_kernel.errors import UnavailableError
from shared_kernel.monitor.judging import Judge, Verdict
from shared_kernel.monitor.looking import LOOK_SECONDS, Sight, Sizes, Version, look, look_at_sizes
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.multiplexed import MultiplexedRedis

PAUSE_SECONDS: Final = 1.0
STALE_SECONDS: Final = LOOK_SECONDS + 2 * PAUSE_SECONDS
"""What was seen longer ago is not told as if it were so now."""
_SHARE: Final = 0.05
"""Of the time, at most, that looking may take: with ten thousand stores a look is no longer cheap."""
_LONGEST_PAUSE_SECONDS: Final = 4.0
_REDIS_SECONDS: Final = 0.5
_SIZES_SECONDS: Final = 5.0
"""How large a database is changes slowly, and is dearer to ask."""

FAILURES: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    UnavailableError,
)
"""What a look may fail of: a database that is away, slow, or not migrated."""

_log = structlog.get_logger("shelfwise.monitor")


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The newest look that succeeded, and when; whether Redis answered then."""

    sight: Sight
    verdict: Verdict
    redis_answers: bool
    sizes: tuple[Sizes, ...]
    at: float


class Watch:
    """Looks at both databases once a second, for as long as it runs."""

    def __init__(
        self,
        *,
        write_pool: Pool | None,
        read_pool: Pool,
        redis: MultiplexedRedis,
        versions: Sequence[Version],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write_pool = write_pool
        self._read_pool = read_pool
        self._redis = redis
        self._versions = tuple(versions)
        self._now = now
        self._judge = Judge(now=now)
        self._since = now()
        self._watched: Watched | None = None
        self._failure = "has not looked yet"
        self._sizes: tuple[Sizes, ...] = ()
        self._sized_at = -_SIZES_SECONDS

    @property
    def watched(self) -> Watched | None:
        """What is so now; None where the newest look is too old to say."""
        return self._watched if self.age_seconds <= STALE_SECONDS else None

    @property
    def age_seconds(self) -> float:
        """How long ago the newest look was that succeeded; since the beginning where none did."""
        return self._now() - (self._since if self._watched is None else self._watched.at)

    @property
    def verdict(self) -> Verdict:
        """Green or red; red where it cannot be told."""
        watched = self.watched
        if watched is None:
            reason = (
                f"cannot be told: no look at the databases succeeded for {self.age_seconds:.0f} s ({self._failure})"
            )
            return Verdict(reasons=(reason,))
        return watched.verdict

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            started = self._now()
            try:
                await self._look()
            except FAILURES as error:
                self._failure = type(error).__name__
                _log.debug("look_failed", reason=self._failure)
            took = self._now() - started
            await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, max(PAUSE_SECONDS, took / _SHARE)))

    async def _look(self) -> None:
        sight = await look(self._write_pool, self._read_pool, self._versions, with_reactions=True)
        if self._now() - self._sized_at >= _SIZES_SECONDS:
            self._sizes = await look_at_sizes(self._write_pool, self._read_pool)
            self._sized_at = self._now()
        self._watched = Watched(
            sight=sight,
            verdict=self._judge.judge(sight),
            redis_answers=await self._redis_answers(),
            sizes=self._sizes,
            at=self._now(),
        )

    async def _redis_answers(self) -> bool:
        with suppress(RedisUnavailable, RedisReplyError, TimeoutError):
            async with asyncio.timeout(_REDIS_SECONDS):
                await self._redis.call("PING")
            return True
        return False
