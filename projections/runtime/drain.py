"""One shard under one lease: it takes part in the worker's live rounds, and is kept up, healed and rebuilt beside them.

After crashes, or an error nobody expected, it leaves the rounds and is drained by itself, with care, until its heads.
"""

import asyncio
import time
from uuid import UUID

import structlog

from projections.runtime.careful import Projecting
from projections.runtime.errors import CheckpointMovedError, LeaseLostError, is_database_failure
from projections.runtime.freezing import Freezing
from projections.runtime.healing import Healing
from projections.runtime.leases import Lease
from projections.runtime.live import LiveRounds
from projections.runtime.parts import DrainParts
from projections.runtime.rebuilding import Rebuild
from projections.runtime.rounds import Rounds
from projections.runtime.shard import Shard
from shared_kernel.subscription.stopping import heed_cancellation

_UPKEEP_SECONDS = 0.5
_STATE_RENEWAL_SECONDS = 4.0
"""Well below the states' expiry in Redis."""
_MAX_BACKOFF_SECONDS = 5.0
_LONGEST_REST_SECONDS = 0.5
"""After a step that hung or waited for longer than that, which was nobody's time."""

log = structlog.get_logger()


class ShardDrain:
    """What is done for a shard while its lease lasts."""

    def __init__(self, parts: DrainParts, live: LiveRounds, lease: Lease) -> None:
        self._parts = parts
        self._live = live
        self._shard = Shard(parts, lease)
        self._wake = asyncio.Event()
        self._news_heard = parts.news.count
        self._renewed_at = 0.0
        pools = {"log_pool": parts.log_pool, "read_pool": parts.read_pool}
        self._projecting = Projecting(
            pool=parts.read_pool, catalog=parts.catalog, reach=parts.reach, lease=lease, statistics=parts.statistics
        )
        self._careful_rounds = Rounds(parts, self._projecting.project)
        self._rebuild = Rebuild(
            **pools,
            catalog=parts.catalog,
            lease=lease,
            projecting=self._projecting,
            skips=parts.skips,
            gives_way=live.gives_way,
        )
        self._freezing = Freezing(
            **pools,
            catalog=parts.catalog,
            lease=lease,
            projecting=self._projecting,
            skips=parts.skips,
            gives_way=live.gives_way,
        )
        self._healing = Healing(**pools, catalog=parts.catalog, lease=lease, skips=parts.skips)

    @property
    def lease(self) -> Lease:
        """Under which it drains."""
        return self._shard.lease

    def wake(self) -> None:
        """There is news: do not wait for the sweep, nor for the clock if a build may have come to be cut over to.

        Beside others' news that build can wait: by drains that all begin at once its cut-over would be noticed.
        """
        self._live.wake(self._shard.number)
        is_told = self._news_heard != self._parts.news.count and not self._live.gives_way()
        if is_told or self._projecting.is_careful:
            self._wake.set()

    async def run(self) -> None:
        """Drain until cancelled; no failure but a lost lease ends it.

        Raises:
            LeaseLostError: another worker has the shard.
        """
        failures = 0
        try:
            while True:
                heed_cancellation()
                try:
                    await self._drain()
                    failures = 0
                except LeaseLostError:
                    raise
                except CheckpointMovedError:
                    self._shard.forget()
                except Exception as error:  # noqa: BLE001 - the edge of a drain: logged, and looked into with care
                    failures += 1
                    self._recover(error, failures)
                    await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 6)))
                await self._wait()
        finally:
            # Given back between a batch's commit and Redis, the shard would show readers the state before the batch,
            # until somebody takes it or that expires.
            self._live.leave(self._shard)
            await self._live.none_under_way(self._shard)

    def _recover(self, error: Exception, failures: int) -> None:
        self._careful_rounds.shrink()
        self._shard.forget()
        shard, kind = self._shard.number, type(error).__name__
        if is_database_failure(error):
            log.warning("drain_failed", shard=shard, failures=failures, error=kind)
        else:
            self._projecting.take_care()
            log.error("drain_failed_unexpectedly", shard=shard, failures=failures, error=kind, exc_info=error)

    async def _wait(self) -> None:
        rest = self._rebuild.seconds_until_allowed()
        try:
            async with asyncio.timeout(min(_UPKEEP_SECONDS, rest) if rest else _UPKEEP_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _drain(self) -> None:
        """What is due beside the live rounds, or instead of them."""
        self._wake.clear()
        self._news_heard = self._parts.news.count
        await self._projecting.begin()
        self._take_part()
        is_busy = True
        while is_busy:
            if self._shard.is_lost:
                raise LeaseLostError(f"shard {self._shard.number} is another worker's")
            is_busy = self._projecting.is_careful and await self._careful_round()
            is_busy = await self._rebuild_step() or is_busy
            is_busy = await self._freezing_step() or is_busy
            await self._keep_up()
        if self._shard.is_drained:
            await self._projecting.trust()
            self._take_part()

    def _take_part(self) -> None:
        """In the live rounds, unless it takes more care than these can take."""
        if self._shard.needs_care:
            self._projecting.take_care()
            self._shard.needs_care = False
        if self._projecting.is_careful:
            self._live.leave(self._shard)
        else:
            self._live.join(self._shard)

    async def _careful_round(self) -> bool:
        """A turn each for the tenants whose turn it is; whether there may be more."""
        await self._careful_rounds.look([self._shard])
        chosen = self._careful_rounds.choose([self._shard])
        progressed = False
        for group in (chosen.together, chosen.gathered, *([turn] for turn in chosen.alone)):
            if group:
                progressed = await self._careful_rounds.take({self._shard.number: self._shard}, group) or progressed
        return progressed

    async def _keep_up(self) -> None:
        """What is due by the clock, however busy the shard is."""
        now = time.monotonic()
        tenants = self._shard.tenants
        self._parts.progress.note_shard(self._shard.number, self._shard.heads, tenants.checkpoints())
        if any(one.parked for one in tenants.checkpoints()):
            await self._heal()
        if now - self._renewed_at >= _STATE_RENEWAL_SECONDS:  # states expire unless renewed
            self._renewed_at = now
            await self._show(tenants.ids())
        else:  # tenants whose cache was lost begin anew here, events or not
            await self._show(self._shard.cache.needs_incarnation(tenants.ids()))

    async def _show(self, tenants: list[UUID]) -> None:
        if tenants:
            await self._shard.write_through(tenants, {})

    async def _heal(self) -> None:
        async with self._live.standing_still(self._shard):
            async for healed in self._healing.look(self._shard.tenants.ids()):
                tenant = healed.checkpoint.tenant_id
                await self._shard.load([tenant])
                await self._shard.write_through([tenant], {tenant: healed.cached_rows})

    async def _rebuild_step(self) -> bool:
        """One batch of what is being rebuilt, in turn with the live rounds; whether there is more to do at once."""
        tenants = self._unfinished()
        building = await self._rebuild.next(tenants) if tenants else None
        # The way back folds nothing: no rate holds it up.
        if building is None or (self._rebuild.seconds_until_allowed() and not building.is_return):
            return False
        async with self._parts.rebuild_turns, self._live.standing_still(self._shard):
            started = time.monotonic()
            if await self._rebuild.step(building):
                tenant = building.checkpoint.tenant_id
                if building.is_return:
                    self._shard.cache.forget([tenant])  # Redis may hold rows as they were when it was left
                await self._shard.load([tenant])
                await self._shard.write_through([tenant], {})
            elif building.checkpoint.parked:
                await self._shard.load([building.checkpoint.tenant_id])  # there are parked keys to be healed now
        await self._leave_time(time.monotonic() - started)
        return not self._rebuild.seconds_until_allowed()

    async def _freezing_step(self) -> bool:
        """One batch of what is being frozen, in the same way."""
        tenants = self._unfinished()
        unfinished = await self._freezing.next(tenants) if tenants else None
        if unfinished is None:
            return False
        async with self._parts.rebuild_turns, self._live.standing_still(self._shard):
            started = time.monotonic()
            if await self._freezing.step(unfinished):
                await self._shard.load([unfinished.checkpoint.tenant_id])  # there are parked keys to be healed now
        await self._leave_time(time.monotonic() - started)
        return True

    async def _leave_time(self, took_seconds: float) -> None:
        """As much as a step took, to those who have news."""
        if self._live.gives_way():
            await asyncio.sleep(min(took_seconds, _LONGEST_REST_SECONDS))

    def _unfinished(self) -> list[UUID]:
        return self._parts.news.unfinished_among(self._shard.tenants.ids())
