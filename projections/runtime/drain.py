"""Draining one shard under one lease: round after round until every tenant's projections have reached its head."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg
import msgspec
import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import parking
from projections.runtime.batch import Batch, BatchResult, CachedRow, Lease, project
from projections.runtime.cache import TenantCache
from projections.runtime.catalog import Catalog
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.errors import CheckpointMovedError
from projections.runtime.fault_points import FaultPoint, Reach
from projections.runtime.folding import WHOLE_TENANT, read_events
from projections.runtime.progress import Progress
from projections.runtime.rebuilding import Rebuild
from projections.runtime.retrying import Retry
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import DatabaseUnavailableError, transaction
from shared_kernel.log.reader import Head, StoredEvent, Want, fetch, heads
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.multiplexed import MultiplexedRedis

SWEEP_SECONDS = 1.0
"""How long a lost hint can delay an event."""
_STATE_RENEWAL_SECONDS = 4.0
"""Well below the states' expiry in Redis."""
_TENANTS_PER_ROUND = 32
_MIN_BUDGET, _MAX_BUDGET = 16, 1_000
"""Events one tenant may have folded in a round; moves between these so that a batch takes about half a second."""
_LONG_BATCH_SECONDS, _SHORT_BATCH_SECONDS = 0.6, 0.15
_RETRIES_PER_SWEEP = 20
_MAX_BACKOFF_SECONDS = 5.0

DATABASE_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    DatabaseUnavailableError,
    TimeoutError,
    OSError,
)

log = structlog.get_logger()


class DrainParts(msgspec.Struct, frozen=True, kw_only=True):
    """What every shard's drain shares."""

    log_pool: Pool
    read_pool: Pool
    redis: MultiplexedRedis
    catalog: Catalog
    reach: Reach
    progress: Progress
    turns: asyncio.Semaphore
    """How many shards may be at work at once: folding is one thread's work, so a few overlap I/O and more only queue."""


class ShardDrain:
    """Owns what is known of a shard's tenants while its lease lasts; anything doubtful is loaded again."""

    def __init__(self, parts: DrainParts, lease: Lease) -> None:
        self._parts = parts
        self._lease = lease
        self._wake = asyncio.Event()
        self._checkpoints: dict[tuple[UUID, str, int, int], Checkpoint] = {}
        self._tenants: set[UUID] = set()
        self._turns: deque[UUID] = deque()
        self._blocked: set[tuple[UUID, str, int, int]] = set()
        self._budget = 200
        self._renewed_at = 0.0
        self._cache = TenantCache(redis=parts.redis, pool=parts.read_pool, lease=lease)
        self._rebuild = Rebuild(
            log_pool=parts.log_pool,
            read_pool=parts.read_pool,
            catalog=parts.catalog,
            lease=lease,
            reach=parts.reach,
        )
        self._retry = Retry(log_pool=parts.log_pool, read_pool=parts.read_pool, catalog=parts.catalog, lease=lease)

    @property
    def lease(self) -> Lease:
        """Under which it drains."""
        return self._lease

    def wake(self) -> None:
        """There is news: do not wait for the sweep."""
        self._wake.set()

    async def run(self) -> None:
        """Drain until cancelled.

        Raises:
            LeaseLostError: another worker has the shard.
        """
        failures = 0
        while True:
            try:
                await self._drain()
                failures = 0
            except CheckpointMovedError:
                self._forget()
            except DATABASE_FAILURES as error:
                failures += 1
                self._budget = max(_MIN_BUDGET, self._budget // 4)  # it may have been a batch too large for its timeout
                self._forget()
                log.warning("drain_failed", shard=self._lease.shard, failures=failures, error=type(error).__name__)
                await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 6)))
            await self._wait()

    async def _wait(self) -> None:
        try:
            rest = self._rebuild.seconds_until_allowed()
            async with asyncio.timeout(min(SWEEP_SECONDS, rest) if rest else SWEEP_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _drain(self) -> None:
        """Rounds until nothing is left, then what only an idle moment needs."""
        self._wake.clear()
        more = True
        while more:
            async with self._parts.turns:
                more = await self._round()
            async with self._parts.turns:
                more = await self._rebuild_step() or more
        async with self._parts.turns:
            await self._retry_parked()
            await self._renew_cache()

    async def _round(self) -> bool:
        """One tenant's budget each for the tenants whose turn it is; whether there may be more."""
        known = await self._heads()
        lagging = self._take_turns(known)
        self._parts.progress.note_shard(self._lease.shard, known, self._checkpoints.values())
        if not lagging:
            return False
        stored = await self._fetch([self._want(tenant) for tenant in lagging])
        self._parts.reach(FaultPoint.FETCH)
        counts = dict.fromkeys(lagging, 0)
        for event in stored:
            counts[event.tenant_id] += 1
        backlogged = [tenant for tenant, count in counts.items() if count >= self._budget]
        together = [tenant for tenant, count in counts.items() if 0 < count < self._budget]
        for group in [together, *([tenant] for tenant in backlogged)]:
            if group:
                await self._project([event for event in stored if event.tenant_id in group], group)
        return True

    async def _heads(self) -> list[Head]:
        async with transaction(self._parts.log_pool, tenant_id=None) as connection:
            found = await heads(connection, [self._lease.shard])
        unknown = [head.tenant_id for head in found if head.tenant_id not in self._tenants]
        if unknown:
            await self._enrol(unknown)
        return found

    async def _enrol(self, tenants: Sequence[UUID]) -> None:
        async with transaction(self._parts.read_pool, tenant_id=None) as connection:
            await checkpoint_rows.enrol(connection, self._parts.catalog, tenants)
            loaded = await checkpoint_rows.load(connection, self._parts.catalog, tenants)
            blocked = await parking.keys_of(connection, [one for one in loaded if one.parked])
            await connection.execute("COMMIT")
        self._checkpoints |= {one.id: one for one in loaded}
        self._blocked |= {
            (one.tenant_id, one.name, one.version, one.build) for one in blocked if one.key == WHOLE_TENANT
        }
        self._tenants |= set(tenants)
        self._turns.extend(tenant for tenant in tenants if tenant not in self._turns)

    def _folded(self, tenant: UUID) -> list[Checkpoint]:
        """The builds the live drain takes along: those read and those kept, unless the whole tenant is parked there."""
        return [
            one
            for one in self._checkpoints.values()
            if one.tenant_id == tenant and one.mode != "building" and one.id not in self._blocked
        ]

    def _take_turns(self, known: Iterable[Head]) -> list[UUID]:
        positions = {head.tenant_id: head.position for head in known}
        chosen: list[UUID] = []
        for _ in range(len(self._turns)):
            tenant = self._turns[0]
            self._turns.rotate(-1)
            folded = self._folded(tenant)
            if folded and min(one.position for one in folded) < positions.get(tenant, 0):
                chosen.append(tenant)
            if len(chosen) == _TENANTS_PER_ROUND:
                break
        return chosen

    def _want(self, tenant: UUID) -> Want:
        return Want(tenant_id=tenant, after=min(one.position for one in self._folded(tenant)), limit=self._budget)

    async def _fetch(self, wants: Sequence[Want]) -> list[StoredEvent]:
        async with transaction(self._parts.log_pool, tenant_id=None) as connection:
            return await fetch(connection, wants)

    async def _project(self, stored: Sequence[StoredEvent], tenants: Sequence[UUID]) -> None:
        started = time.monotonic()
        moving = tuple(one for tenant in tenants for one in self._folded(tenant))
        batch = Batch(lease=self._lease, checkpoints=moving, events=read_events(stored))
        result = await project(self._parts.read_pool, self._parts.catalog, batch, self._parts.reach)
        seconds = time.monotonic() - started
        self._take_over(result)
        self._parts.progress.note_batch(events=result.events, seconds=seconds)
        if seconds > _LONG_BATCH_SECONDS:
            self._budget = max(_MIN_BUDGET, self._budget // 2)
        elif seconds < _SHORT_BATCH_SECONDS:
            self._budget = min(_MAX_BUDGET, self._budget * 2)
        await self._write_through(tenants, result.cached_rows)

    def _take_over(self, result: BatchResult) -> None:
        for one in result.checkpoints:
            if one.parked > self._checkpoints[one.id].parked:
                self._tenants.discard(one.tenant_id)  # loaded again next round, with what is parked now
            self._checkpoints[one.id] = one

    def _live(self, tenant: UUID) -> list[Checkpoint]:
        return [one for one in self._checkpoints.values() if one.tenant_id == tenant and one.mode == "live"]

    async def _write_through(self, tenants: Sequence[UUID], rows: dict[UUID, list[CachedRow]]) -> None:
        states = {tenant: self._live(tenant) for tenant in tenants}
        try:
            without = self._cache.needs_incarnation(tenants)
            if without:
                await self._cache.begin_incarnations({tenant: states[tenant] for tenant in without})
            whole = {tenant: live for tenant, live in states.items() if tenant not in without}
            if whole:
                await self._cache.write(whole, rows)
        except (RedisUnavailable, RedisReplyError) as error:
            log.warning("write_through_failed", shard=self._lease.shard, error=type(error).__name__)
        self._parts.reach(FaultPoint.REDIS)

    async def _renew_cache(self) -> None:
        """States expire unless renewed; tenants whose cache was lost begin anew here, events or not."""
        now = time.monotonic()
        if not self._cache.needs_incarnation(self._tenants) and now - self._renewed_at < _STATE_RENEWAL_SECONDS:
            return
        self._renewed_at = now
        if self._tenants:
            await self._write_through(sorted(self._tenants), {})

    async def _retry_parked(self) -> None:
        if not any(one.parked for one in self._checkpoints.values()):
            return
        async with transaction(self._parts.read_pool, tenant_id=None) as connection:
            waiting = await parking.due(connection, self._tenants, limit=_RETRIES_PER_SWEEP)
        for parked in waiting:
            checkpoint = self._checkpoints.get((parked.tenant_id, parked.name, parked.version, parked.build))
            if checkpoint is None:
                continue
            healed = await self._retry.attempt(parked, checkpoint)
            if healed is not None:
                self._checkpoints[checkpoint.id] = healed.checkpoint
                self._blocked.discard(checkpoint.id)
                await self._write_through([parked.tenant_id], {parked.tenant_id: healed.cached_rows})

    async def _rebuild_step(self) -> bool:
        """One batch of what is being rebuilt, in turn with the live rounds; whether there is more to do at once."""
        if not self._tenants or self._rebuild.seconds_until_allowed():
            return False
        building = await self._rebuild.next(self._tenants)
        if building is None:
            return False
        if await self._rebuild.step(building):
            await self._show_new_build(building.checkpoint.tenant_id)
        return not self._rebuild.seconds_until_allowed()

    async def _show_new_build(self, tenant: UUID) -> None:
        self._checkpoints = {key: one for key, one in self._checkpoints.items() if one.tenant_id != tenant}
        await self._enrol([tenant])
        await self._write_through([tenant], {})

    def _forget(self) -> None:
        self._checkpoints.clear()
        self._tenants.clear()
        self._blocked.clear()
        self._cache.forget(list(self._turns))
        self._turns.clear()
