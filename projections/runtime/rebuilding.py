"""Taking a build to where the live one is, and cutting over tenant by tenant.

Most of a build is loaded in bulk (`projections/runtime/loading`); what came since, and what cannot be loaded, is folded
here. These batches are ordinary batches of the shard's lease holder, in turn with the live ones, on checkpoints of mode
`building`: killed anywhere, it goes on from them. The cut-over locks both checkpoints and flips only when the new build
is not behind the old and has no more keys parked, so no reader ever sees an older or an emptier table.
"""

import time
from collections.abc import Callable, Iterable
from uuid import UUID

import msgspec

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases
from projections.runtime.batch import Batch
from projections.runtime.careful import Projecting
from projections.runtime.catalog import Catalog
from projections.runtime.checkpoints import BuildId, Checkpoint
from projections.runtime.errors import CheckpointMovedError
from projections.runtime.folding import read_events
from projections.runtime.leases import Lease
from projections.runtime.skipping import Skips
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.log.archive.errors import UNREADABLE
from shared_kernel.log.reader import Want, fetch

_BATCH_EVENTS = 1_000
_LONG_STEP_SECONDS, _LONG_STEP_BESIDE_OTHERS_SECONDS = 0.8, 0.04
_SMALLEST_BATCH = 16
_STUCK_PAUSE_SECONDS = 5.0
"""A tenant whose new build has more keys parked than its old one waits for them to heal, read from the old one."""

_TURNING = """
SELECT c.tenant_id, c.name, c.version, c.build, c.mode, c.position, c.as_of, c.revision, c.rows, c.parked, c.paused,
    r.id AS request_id, coalesce((r.options->>'rate')::int, 0) AS rate,
    greatest(1, coalesce((r.options->>'shards')::int, 1)) AS shards,
    coalesce((r.options->>'keep_old')::bool, false) AS keep_old
FROM projection.checkpoint c
LEFT JOIN projection.request r ON (r.name, r.version, r.state) = (c.name, c.version, 'running') AND CASE c.mode
    WHEN 'building' THEN r.kind = 'rebuild' AND r.to_build = c.build AND r.loaded_at IS NOT NULL
    ELSE r.kind = 'rollback' AND (r.only_tenant IS NULL OR r.only_tenant = c.tenant_id) END
WHERE (r.id IS NOT NULL OR c.mode = 'building' AND NOT EXISTS (
        SELECT FROM projection.request q
        WHERE (q.kind, q.state, q.name, q.version, q.to_build) = ('rebuild', 'running', c.name, c.version, c.build)))
    AND c.mode IN ('building', 'returning') AND NOT c.paused AND c.tenant_id = ANY($1::uuid[])
    AND (c.name, c.version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
ORDER BY c.mode = 'building', r.requested_at, c.tenant_id LIMIT 1
"""
_COUNT = "UPDATE projection.request SET events = events + $2 WHERE id = $1"
_ACTIVE = "SELECT build FROM read.active_build WHERE (tenant_id, name, version) = ($1, $2, $3)"
_FLIP = """
INSERT INTO read.active_build (tenant_id, name, version, build) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, name, version) DO UPDATE SET build = excluded.build
"""
# What the tenant reads until then, where it is another version's; that goes on being read by its own release.
_OTHER_VERSIONS = """
SELECT coalesce(max(c.position), 0) AS position, coalesce(max(c.parked), 0) AS parked
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE (a.tenant_id, a.name) = ($1, $2) AND a.version <> $3
"""
_MODE = "UPDATE projection.checkpoint SET mode = $5 WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)"
# A build that was left is kept for one way back; what was kept before it is given up.
_LEAVE_KEPT = """
WITH gone AS (
    DELETE FROM projection.checkpoint
    WHERE (tenant_id, name, version) = ($1, $2, $3) AND mode = 'kept' AND build <> $4
    RETURNING tenant_id, name, version, build)
INSERT INTO projection.leftover (tenant_id, name, version, build)
SELECT tenant_id, name, version, build FROM gone ON CONFLICT DO NOTHING
"""
_NO_BUILD = 0


class Building(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's unfinished part of a rebuild, or of a rollback."""

    checkpoint: Checkpoint
    request_id: UUID | None
    rate_per_second: float
    keep_old: bool

    @property
    def is_return(self) -> bool:
        """Whether the build was read before; it is folded along, and only remains to be cut over to."""
        return self.checkpoint.mode == "returning"


class Rebuild:
    """One shard's share of all rebuilds."""

    def __init__(
        self,
        *,
        log_pool: Pool,
        read_pool: Pool,
        catalog: Catalog,
        lease: Lease,
        projecting: Projecting,
        skips: Skips,
        gives_way: Callable[[], bool],
    ) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._labels = [(subject.name, subject.version) for subject in catalog.subjects]
        self._lease = lease
        self._projecting = projecting
        self._skips = skips
        self._gives_way = gives_way
        self._not_before = 0.0
        self._rests_until: dict[UUID, float] = {}
        self._batch_events = _BATCH_EVENTS

    def seconds_until_allowed(self) -> float:
        """How long the requested rate asks this shard to rest."""
        return max(0.0, self._not_before - time.monotonic())

    async def next(self, tenants: Iterable[UUID]) -> Building | None:
        """What to go on with, ways back first, then the oldest request; None when nothing is to be turned here now."""
        now = time.monotonic()
        self._rests_until = {tenant: until for tenant, until in self._rests_until.items() if until > now}
        awake = [tenant for tenant in tenants if tenant not in self._rests_until]
        names, versions = [name for name, _ in self._labels], [version for _, version in self._labels]
        async with lent(self._read_pool) as connection:
            row = await connection.fetchrow(_TURNING, awake, names, versions)
        if row is None:
            return None
        values = dict(row)
        request_id, rate, shards = values.pop("request_id"), values.pop("rate"), values.pop("shards")
        return Building(
            keep_old=values.pop("keep_old"),
            checkpoint=Checkpoint(**values),
            request_id=request_id,
            rate_per_second=rate / shards,
        )

    async def step(self, building: Building) -> bool:
        """Fold one batch; when the build has caught up, cut the tenant over. True when it was cut over."""
        if building.is_return:
            return await self._cut_over(building)
        started = time.monotonic()
        before = building.checkpoint
        want = Want(tenant_id=before.tenant_id, after=before.position, limit=self._batch_events)
        try:
            async with transaction(self._log_pool, tenant_id=None) as connection:
                stored = await fetch(connection, [want])
        except UNREADABLE:  # told where it was found; what is live reads no archive and must not wait
            self._rest(before.tenant_id)
            return False
        if stored:
            events = read_events(stored, self._skips.unread([before]))
            batch = Batch(leases=(self._lease,), checkpoints=(before,), events=events)
            result = await self._projecting.project(batch)
            await self._count(building, len(stored))
            if all(one.position == before.position for one in result.checkpoints):
                self._rest(before.tenant_id)
                return False
        self._pace(building, events=len(stored), started=started)
        if len(stored) == want.limit:
            return False
        return await self._cut_over(building)

    async def _count(self, building: Building, events: int) -> None:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await connection.execute(_COUNT, building.request_id, events)
            await connection.execute("COMMIT")

    def _pace(self, building: Building, *, events: int, started: float) -> None:
        seconds = time.monotonic() - started
        long_seconds = _LONG_STEP_BESIDE_OTHERS_SECONDS if self._gives_way() else _LONG_STEP_SECONDS
        if seconds > long_seconds:
            self._batch_events = max(_SMALLEST_BATCH, self._batch_events // 2)
        elif events == self._batch_events and seconds < long_seconds / 2:
            self._batch_events = min(_BATCH_EVENTS, self._batch_events * 2)
        if building.rate_per_second:
            self._not_before = started + events / building.rate_per_second

    def _rest(self, tenant_id: UUID) -> None:
        self._rests_until[tenant_id] = time.monotonic() + _STUCK_PAUSE_SECONDS

    async def _cut_over(self, building: Building) -> bool:
        one = building.checkpoint
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease)
            old, new = await _lock_both(connection, one)
            position, parked = await _least(connection, one, old)
            if new.position < position:
                return False
            if new.parked > parked:
                self._rest(one.tenant_id)
                return False
            await connection.execute(_FLIP, *new.id)
            await connection.execute(_MODE, *new.id, "live")
            if old is not None:
                await connection.execute(_MODE, *old.id, "kept")
                spared = old.build if building.keep_old or building.is_return else _NO_BUILD
                await connection.execute(_LEAVE_KEPT, one.tenant_id, one.name, one.version, spared)
            await connection.execute("COMMIT")
        return True


async def _lock_both(connection: Connection, one: Checkpoint) -> tuple[Checkpoint | None, Checkpoint]:
    """The build that is read, if one is, and the one that is to be; only the lease holder changes which is read.

    Raises:
        CheckpointMovedError: the rebuild was given up.
    """
    active: int | None = await connection.fetchval(_ACTIVE, one.tenant_id, one.name, one.version)
    old = None
    if active is not None:
        old_build = BuildId(name=one.name, version=one.version, build=active)
        old = await checkpoint_rows.lock_one(connection, one.tenant_id, old_build)
        assert old is not None, "a build that is read has a checkpoint"
    new = await checkpoint_rows.lock_one(connection, one.tenant_id, one.build_id)
    if new is None:
        raise CheckpointMovedError("the build is no more")
    return old, new


async def _least(connection: Connection, one: Checkpoint, old: Checkpoint | None) -> tuple[int, int]:
    """How far the new build must be, and how many keys may be parked in it."""
    if old is not None:
        return old.position, old.parked
    read = await connection.fetchrow(_OTHER_VERSIONS, one.tenant_id, one.name, one.version)
    return read["position"], read["parked"]
