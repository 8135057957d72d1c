"""Draining one shard under one lease: round after round until every tenant's projections have reached its head."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import parking
from projections.runtime.batch import Batch, CachedRow
from projections.runtime.cache import TenantCache
from projections.runtime.careful import Projecting
from projections.runtime.catalog import Catalog
from projections.runtime.errors import CheckpointMovedError, LeaseLostError, is_database_failure
from projections.runtime.fault_points import FaultPoint, Reach
from projections.runtime.folding import read_events
from projections.runtime.healing import Healing
from projections.runtime.leases import Lease, LeaseTimes
from projections.runtime.news import News
from projections.runtime.progress import Progress
from projections.runtime.rebuilding import Rebuild
from projections.runtime.skipping import Skips
from projections.runtime.statistics import Statistics
from projections.runtime.tracing import log_projected
from projections.runtime.turns import ShardTenants, Turn
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.reader import Head, StoredEvent, Want, fetch, heads
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.subscription.stopping import heed_cancellation
from shared_kernel.views import WHOLE_TENANT

SWEEP_SECONDS = 1.0
"""How long a lost hint can delay an event."""
_UPKEEP_SECONDS = 0.5
_STATE_RENEWAL_SECONDS = 4.0
"""Well below the states' expiry in Redis."""
_FIRST_BUDGET, _MIN_BUDGET, _MAX_BUDGET = 200, 16, 1_000
"""Events one tenant may have folded in a round; moves between these so that a batch takes about half a second."""
_LONG_BATCH_SECONDS, _SHORT_BATCH_SECONDS = 0.6, 0.15
_MAX_BACKOFF_SECONDS = 5.0

log = structlog.get_logger()


class DrainParts(msgspec.Struct, frozen=True, kw_only=True):
    """What every shard's drain shares.

    Attributes:
        turns: how many shards may be at work at once: folding is one thread's work, so a few overlap I/O and more only
            queue.
        news: that operators have changed something that the drains have loaded.
        grace_seconds: how long the rows of a build that nobody reads any more are kept.
    """

    log_pool: Pool
    read_pool: Pool
    redis: MultiplexedRedis
    catalog: Catalog
    reach: Reach
    progress: Progress
    turns: asyncio.Semaphore
    times: LeaseTimes
    statistics: Statistics
    skips: Skips
    news: News
    grace_seconds: float


class ShardDrain:
    """Owns what is known of a shard's tenants while its lease lasts; anything doubtful is loaded again."""

    def __init__(self, parts: DrainParts, lease: Lease) -> None:
        self._parts = parts
        self._lease = lease
        self._wake = asyncio.Event()
        self._tenants = ShardTenants()
        self._news_heard = parts.news.count
        self._budget = _FIRST_BUDGET
        self._kept_up_at = 0.0
        self._renewed_at = 0.0
        self._is_cache_away = False
        pools = {"log_pool": parts.log_pool, "read_pool": parts.read_pool}
        self._cache = TenantCache(redis=parts.redis, pool=parts.read_pool, lease=lease)
        self._projecting = Projecting(
            pool=parts.read_pool, catalog=parts.catalog, reach=parts.reach, lease=lease, statistics=parts.statistics
        )
        self._rebuild = Rebuild(
            **pools, catalog=parts.catalog, lease=lease, projecting=self._projecting, skips=parts.skips
        )
        self._healing = Healing(**pools, catalog=parts.catalog, lease=lease, skips=parts.skips)

    @property
    def lease(self) -> Lease:
        """Under which it drains."""
        return self._lease

    def wake(self) -> None:
        """There is news: do not wait for the sweep."""
        self._wake.set()

    async def run(self) -> None:
        """Drain until cancelled; no failure but a lost lease ends it.

        Raises:
            LeaseLostError: another worker has the shard.
        """
        failures = 0
        while True:
            heed_cancellation()
            try:
                await self._drain()
                failures = 0
            except LeaseLostError:
                raise
            except CheckpointMovedError:
                self._forget()
            except Exception as error:  # noqa: BLE001 - the edge of a drain: logged, and looked into with care
                failures += 1
                self._recover(error, failures)
                await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 6)))
            await self._wait()

    def _recover(self, error: Exception, failures: int) -> None:
        self._budget = max(_MIN_BUDGET, self._budget // 4)  # it may have been a batch too large for its timeout
        self._forget()
        shard, kind = self._lease.shard, type(error).__name__
        if is_database_failure(error):
            log.warning("drain_failed", shard=shard, failures=failures, error=kind)
        else:
            self._projecting.take_care()
            log.error("drain_failed_unexpectedly", shard=shard, failures=failures, error=kind, exc_info=error)

    async def _wait(self) -> None:
        rest = self._rebuild.seconds_until_allowed()
        try:
            async with asyncio.timeout(min(SWEEP_SECONDS, rest) if rest else SWEEP_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _drain(self) -> None:
        """Rounds until nothing is left; what must also be done meanwhile has its moment between them."""
        self._wake.clear()
        async with self._parts.turns:
            await self._projecting.begin()
        is_lagging = is_rebuilding = True
        while is_lagging or is_rebuilding:
            async with self._parts.turns:
                is_lagging = await self._round()
            async with self._parts.turns:
                is_rebuilding = await self._rebuild_step()
                await self._keep_up()
        async with self._parts.turns:
            await self._projecting.trust()
            await self._renew_cache()

    async def _round(self) -> bool:
        """A turn each for the tenants whose turn it is; whether there may be more."""
        if self._news_heard != self._parts.news.count:
            self._news_heard = self._parts.news.count
            self._tenants.forget()
        known = await self._heads()
        turns = self._tenants.choose(known, self._budget)
        progressed = False
        for group in (turns.together, *((turn,) for turn in turns.alone)):
            if group:
                progressed = await self._project(group) or progressed
        return progressed

    async def _heads(self) -> list[Head]:
        async with transaction(self._parts.log_pool, tenant_id=None) as connection:
            found = await heads(connection, [self._lease.shard])
        unknown = self._tenants.unknown(head.tenant_id for head in found)
        if unknown:
            await self._load(unknown)
        return found

    async def _load(self, tenants: Sequence[UUID]) -> None:
        async with transaction(self._parts.read_pool, tenant_id=None) as connection:
            await checkpoint_rows.enrol(connection, self._parts.catalog, tenants)
            loaded = await checkpoint_rows.load(connection, self._parts.catalog, tenants)
            parked = await parking.keys_of(connection, [one for one in loaded if one.parked])
            await self._parts.skips.load(connection, tenants)
            await connection.execute("COMMIT")
        self._tenants.put(loaded, blocked=[one.checkpoint_id for one in parked if one.key == WHOLE_TENANT])

    async def _project(self, turns: Sequence[Turn]) -> bool:
        stored = await self._fetch([turn.want for turn in turns])
        self._parts.reach(FaultPoint.FETCH)
        started = time.monotonic()
        events = read_events(stored, self._parts.skips.unread(one for turn in turns for one in turn.checkpoints))
        moving = tuple(one for turn in turns if turn.tenant_id in events for one in turn.checkpoints)
        if not moving:
            return False
        result = await self._projecting.project(Batch(leases=(self._lease,), checkpoints=moving, events=events))
        self._pace(events=result.events, seconds=time.monotonic() - started)
        newly_parked = self._tenants.move(result.checkpoints)
        await self._write_through(list(events), result.cached_rows)
        log_projected(events.values())
        if newly_parked:
            await self._load(newly_parked)
        return True

    async def _fetch(self, wants: Sequence[Want]) -> list[StoredEvent]:
        async with transaction(self._parts.log_pool, tenant_id=None) as connection:
            return await fetch(connection, wants)

    def _pace(self, *, events: int, seconds: float) -> None:
        self._parts.progress.note_batch(events=events, seconds=seconds)
        if seconds > _LONG_BATCH_SECONDS:
            self._budget = max(_MIN_BUDGET, self._budget // 2)
        elif seconds < _SHORT_BATCH_SECONDS:
            self._budget = min(_MAX_BUDGET, self._budget * 2)

    async def _write_through(self, tenants: Sequence[UUID], rows: dict[UUID, list[CachedRow]]) -> None:
        try:
            await self._cache.write({tenant: self._tenants.live(tenant) for tenant in tenants}, rows)
            self._is_cache_away = False
        except (RedisUnavailable, RedisReplyError) as error:
            if not self._is_cache_away:  # once an outage
                log.warning("write_through_failed", shard=self._lease.shard, error=type(error).__name__)
            self._is_cache_away = True
        self._parts.reach(FaultPoint.REDIS)

    async def _keep_up(self) -> None:
        """What is due by the clock, however busy the shard is."""
        now = time.monotonic()
        if now - self._kept_up_at < _UPKEEP_SECONDS:
            return
        self._kept_up_at = now
        self._parts.progress.note_shard(self._lease.shard, await self._heads(), self._tenants.checkpoints())
        await self._heal()
        await self._renew_cache()

    async def _renew_cache(self) -> None:
        """States expire unless renewed; tenants whose cache was lost begin anew here, events or not."""
        now = time.monotonic()
        tenants = self._tenants.ids()
        if now - self._renewed_at < _STATE_RENEWAL_SECONDS:
            tenants = self._cache.needs_incarnation(tenants)
        else:
            self._renewed_at = now
        if tenants:
            await self._write_through(tenants, {})

    async def _heal(self) -> None:
        async for healed in self._healing.look(self._tenants.ids()):
            tenant = healed.checkpoint.tenant_id
            await self._load([tenant])
            await self._write_through([tenant], {tenant: healed.cached_rows})

    async def _rebuild_step(self) -> bool:
        """One batch of what is being rebuilt, in turn with the live rounds; whether there is more to do at once."""
        tenants = self._tenants.ids()
        if not tenants or self._rebuild.seconds_until_allowed():
            return False
        building = await self._rebuild.next(tenants)
        if building is None:
            return False
        if await self._rebuild.step(building):
            tenant = building.checkpoint.tenant_id
            if building.is_return:
                self._cache.forget([tenant])  # under its number Redis may hold rows as they were when it was left
            await self._load([tenant])
            await self._write_through([tenant], {})
        return not self._rebuild.seconds_until_allowed()

    def _forget(self) -> None:
        self._cache.forget(self._tenants.ids())
        self._tenants.forget()
