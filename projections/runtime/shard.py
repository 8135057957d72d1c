"""What a worker knows of a shard for as long as its lease lasts; anything doubtful is loaded again."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import parking
from projections.runtime.batch import CachedRow
from projections.runtime.cache import TenantCache
from projections.runtime.checkpoints import Checkpoint, CheckpointId
from projections.runtime.fault_points import FaultPoint
from projections.runtime.leases import Lease
from projections.runtime.parts import DrainParts
from projections.runtime.turns import ShardTenants
from shared_kernel.database.transactions import transaction
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.views import WHOLE_TENANT

_DOUBTFUL_AT_A_TIME = 2
"""Of a shard's tenants that have no turn; a round of all shards waits some milliseconds for them."""

log = structlog.get_logger()


class Shard:
    """A shard's tenants: how far their logs go, where their projections are, and what of them is in Redis.

    Attributes:
        heads: how far the logs go, as far as this worker has seen.
        is_lost: another worker has it.
        needs_care: a batch of it failed in a way nobody expected.
        stands_still: no batch of it is to begin.
    """

    def __init__(self, parts: DrainParts, lease: Lease) -> None:
        self.lease = lease
        self.heads: dict[UUID, int] = {}
        self._heard: dict[UUID, int] = {}
        self.tenants = ShardTenants(parts.catalog.gathered)
        self.cache = TenantCache(redis=parts.redis, pool=parts.read_pool, lease=lease)
        self.is_lost = False
        self.needs_care = False
        self.stands_still = False
        self._parts = parts
        self._writing_through = asyncio.Lock()
        self._is_cache_away = False
        self._has_looked = False
        self._news_heard = parts.news.count
        self._doubtful: set[UUID] = set()

    @property
    def number(self) -> int:
        """Which of all shards it is."""
        return self.lease.shard

    @property
    def is_drained(self) -> bool:
        """Whether nothing is left to fold, as far as the heads have been seen."""
        return self._has_looked and not self.tenants.is_behind(self.heads)

    def hear(self, tenant_id: UUID, position: int) -> bool:
        """A tenant's log is said to go so far; False where the tenant must be loaded, and nothing is taken on trust."""
        is_doubtful = tenant_id in self._doubtful or self._news_heard != self._parts.news.count
        if is_doubtful or self.tenants.unknown([tenant_id]):
            return False
        for known in (self.heads, self._heard):
            known[tenant_id] = max(position, known.get(tenant_id, 0))
        return True

    def begin_look(self) -> None:
        """The log is asked from here on; what was heard before is found there, or was not true."""
        self._heard = {}

    def note_heads(self, heads: Mapping[UUID, int]) -> list[UUID]:
        """How far logs go; whom to load: those not seen before, and of those that operators may have changed the next.

        What is known of the others serves until it is their turn: where it is wrong, a batch changes nothing, and says
        so. All at once would hold up a round of hundreds of stores for what concerns one.
        """
        if self._news_heard != self._parts.news.count:
            self._news_heard = self._parts.news.count
            self._doubtful.update(self.tenants.ids())
        self._has_looked = True
        self.heads.update(heads)
        for tenant_id, position in self._heard.items():
            self.heads[tenant_id] = max(position, self.heads.get(tenant_id, 0))
        return self.tenants.unknown(self.heads) + (self._next_doubtful() if self._doubtful else [])

    @property
    def is_doubtful(self) -> bool:
        """Whether there are tenants left that operators may have changed, and of which no batch is under way."""
        return not self._doubtful <= self.tenants.in_hand

    def _next_doubtful(self) -> list[UUID]:
        """Those about to have a turn, and a few others; none of which a batch is under way."""
        free = [tenant for tenant in self._doubtful if tenant not in self.tenants.in_hand]
        due = [tenant for tenant in free if self.tenants.lags(tenant, self.heads.get(tenant, 0))]
        return due + [tenant for tenant in free if tenant not in due][:_DOUBTFUL_AT_A_TIME]

    def put(self, tenants: Collection[UUID], found: Iterable[Checkpoint], *, blocked: Iterable[CheckpointId]) -> None:
        """What was just loaded of these tenants replaces what was known."""
        self._doubtful.difference_update(tenants)
        self.tenants.put(found, blocked=blocked)

    async def load(self, tenants: Sequence[UUID]) -> None:
        """Have these tenants' checkpoints as they stand, begun if they were not."""
        await load(self._parts, {self: tenants})

    async def write_through(self, tenants: Iterable[UUID], rows: Mapping[UUID, Sequence[CachedRow]]) -> None:
        """Have Redis show these tenants as they stand, and these rows of theirs; projecting goes on without Redis."""
        async with self._writing_through:
            await self._write(tenants, rows)

    async def note_moved(
        self, checkpoints: Iterable[Checkpoint], tenants: Iterable[UUID], rows: Mapping[UUID, Sequence[CachedRow]]
    ) -> list[UUID]:
        """These checkpoints are there now, and Redis shows it; the tenants of which more is parked than before.

        Rounds, backlogs and upkeep write beside each other: a state goes neither ahead of its rows nor back.
        """
        async with self._writing_through:
            newly_parked = self.tenants.move(checkpoints)
            await self._write(tenants, rows)
        return newly_parked

    async def _write(self, tenants: Iterable[UUID], rows: Mapping[UUID, Sequence[CachedRow]]) -> None:
        try:
            await self.cache.write({tenant: self.tenants.live(tenant) for tenant in tenants}, rows)
            self._is_cache_away = False
        except (RedisUnavailable, RedisReplyError) as error:
            if not self._is_cache_away:  # once an outage
                log.warning("write_through_failed", shard=self.number, error=type(error).__name__)
            self._is_cache_away = True
        self._parts.reach(FaultPoint.REDIS)

    def forget(self, tenants: Sequence[UUID] | None = None) -> None:
        """Something of these, or of all, is doubtful: it is to be loaded again, and the caches begun anew."""
        doubtful = self.tenants.ids() if tenants is None else tenants
        self.cache.forget(doubtful)
        self.tenants.forget(doubtful)


async def load(parts: DrainParts, wanted: Mapping[Shard, Sequence[UUID]]) -> None:
    """Have these tenants' checkpoints as they stand, begun if they were not: of all shards in one transaction."""
    tenants = [tenant for its in wanted.values() for tenant in its]
    async with transaction(parts.read_pool, tenant_id=None) as connection:
        await checkpoint_rows.enrol(connection, parts.catalog, tenants)
        loaded = await checkpoint_rows.load(connection, parts.catalog, tenants)
        parked = await parking.keys_of(connection, [one for one in loaded if one.parked])
        await parts.skips.load(connection, tenants)
        await connection.execute("COMMIT")
    found: dict[UUID, list[Checkpoint]] = defaultdict(list)
    for one in loaded:
        found[one.tenant_id].append(one)
    blocked = [one.checkpoint_id for one in parked if one.key == WHOLE_TENANT]
    for shard, its in wanted.items():
        own = set(its)
        shard.put(
            own, (one for tenant in its for one in found[tenant]), blocked=[one for one in blocked if one[0] in own]
        )
