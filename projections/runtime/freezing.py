"""Views as of a position: builds that are folded up to it beside the live ones, and stopped; dropped when they expire.

The `snapshots` projection says what is wanted. A frozen build is a partition that many tenants share, each with one
snapshot in it, so that there are never more of them than one tenant may have snapshots.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg
import msgspec
import structlog

from projections.runtime.batch import Batch
from projections.runtime.careful import Projecting
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.folding import read_events
from projections.runtime.leases import Lease
from projections.runtime.news import News
from projections.runtime.skipping import Skips
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.log.archive.errors import UNREADABLE
from shared_kernel.log.reader import Want, fetch
from shared_kernel.subscription.stopping import heed_cancellation

SNAPSHOTS = "snapshots"
_LOOK_SECONDS = 0.5
_BATCH_EVENTS, _BATCH_BESIDE_OTHERS = 500, 50
_STUCK_PAUSE_SECONDS = 5.0
"""A store whose next event cannot be understood waits for an operator."""
_AT_A_TIME = 20

log = structlog.get_logger()

_WANTED = """
SELECT s.tenant_id, s.id AS snapshot_id, s.position_asked AS position, s.as_of, s.expires_at, v.name
FROM read.active_build a
CROSS JOIN LATERAL (
    SELECT s.tenant_id, s.id, s.views, s.position_asked, s.as_of, s.expires_at FROM read.snapshots__v1 s
    WHERE (s.tenant_id, s.build) = (a.tenant_id, a.build) AND s.expires_at > clock_timestamp()
) s
CROSS JOIN LATERAL jsonb_array_elements_text(s.views) AS v(name)
JOIN unnest($3::text[], $4::int[]) AS known(name, version) ON known.name = v.name
WHERE (a.name, a.version) = ($1, $2) AND NOT EXISTS (
    SELECT FROM projection.frozen_build f
    WHERE (f.tenant_id, f.snapshot_id, f.name, f.version) = (s.tenant_id, s.id, v.name, known.version))
ORDER BY s.expires_at LIMIT $5
"""
_FREE_BUILD = """
SELECT b.build FROM projection.build b
WHERE (b.name, b.version) = ($2, $3) AND b.is_frozen AND NOT EXISTS (
    SELECT FROM projection.checkpoint c
    WHERE (c.tenant_id, c.name, c.version, c.build) = ($1, b.name, b.version, b.build)
) AND NOT EXISTS (
    SELECT FROM projection.leftover l
    WHERE (l.tenant_id, l.name, l.version, l.build) = ($1, b.name, b.version, b.build))
ORDER BY b.build LIMIT 1
"""
_CREATE_BUILD = "SELECT projection.create_frozen_build($1, $2)"
_BEGIN = """
WITH begun AS (
    INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, revision, rows)
    VALUES ($1, $2, $3, $4, 'frozen', 0, 1, 0)
    RETURNING tenant_id, name, version, build
)
INSERT INTO projection.frozen_build (tenant_id, snapshot_id, name, version, build, position, as_of, expires_at)
SELECT tenant_id, $5, name, version, build, $6, $7, $8 FROM begun
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('projection.freezing', 0))"
_EXPIRE = """
WITH expired AS (
    DELETE FROM projection.frozen_build WHERE expires_at <= clock_timestamp()
    RETURNING tenant_id, name, version, build
)
INSERT INTO projection.leftover (tenant_id, name, version, build)
SELECT tenant_id, name, version, build FROM expired ON CONFLICT DO NOTHING
RETURNING tenant_id, name, version, build
"""
_DROP = "DELETE FROM projection.checkpoint WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)"
_UNFINISHED = """
SELECT c.tenant_id, c.name, c.version, c.build, c.mode, c.position, c.as_of, c.revision, c.rows, c.parked, c.paused,
    f.position AS target
FROM projection.frozen_build f JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE c.tenant_id = ANY($1::uuid[]) AND (c.name, c.version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
    AND c.position < f.position
ORDER BY f.begun_at, c.name LIMIT 1
"""


async def run_freezing(pool: Pool, catalog: Catalog, news: News) -> None:
    """Begin what is asked for and end what has expired, until cancelled; the drains fold."""
    snapshots = catalog.get(SNAPSHOTS)
    if snapshots is None:  # a release, or a test, without them
        return
    while True:
        heed_cancellation()
        try:
            if await _begin(pool, catalog, snapshots):
                news.note_unfinished(None)
            await _expire(pool)
        except (*DATABASE_FAILURES, asyncpg.ForeignKeyViolationError) as error:  # the build chosen was just dropped
            log.warning("snapshots_not_looked_at", error=type(error).__name__)
        await asyncio.sleep(_LOOK_SECONDS)


async def _begin(pool: Pool, catalog: Catalog, snapshots: Subject) -> bool:
    """Whether there was anything to begin; several workers may be at it: whoever comes second finds it done."""
    names, versions = [one.name for one in catalog.subjects], [one.version for one in catalog.subjects]
    arguments = (snapshots.name, snapshots.version, names, versions, _AT_A_TIME)
    async with transaction(pool, tenant_id=None) as connection:
        if not await connection.fetch(_WANTED, *arguments):
            return False
        await connection.execute(_LOCK)
        for wanted in await connection.fetch(_WANTED, *arguments):
            await _begin_one(connection, catalog.subject(wanted["name"]), wanted)
        await connection.execute("COMMIT")
    return True


async def _begin_one(connection: Connection, subject: Subject, wanted: asyncpg.Record) -> None:
    tenant_id = wanted["tenant_id"]
    build = await connection.fetchval(_FREE_BUILD, tenant_id, subject.name, subject.version)
    if build is None:
        build = await connection.fetchval(_CREATE_BUILD, subject.name, subject.version)
    await connection.execute(
        _BEGIN,
        tenant_id,
        subject.name,
        subject.version,
        build,
        wanted["snapshot_id"],
        wanted["position"],
        wanted["as_of"],
        wanted["expires_at"],
    )
    log.info("freezing", projection=subject.label, tenant=str(tenant_id), build=build, position=wanted["position"])


async def _expire(pool: Pool) -> None:
    async with transaction(pool, tenant_id=None) as connection:
        expired = await connection.fetch(_EXPIRE)
        if expired:
            await connection.executemany(_DROP, [tuple(row) for row in expired])
            await connection.execute("COMMIT")


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen build that is not at its position yet."""

    checkpoint: Checkpoint
    target: int


class Freezing:
    """One shard's frozen builds, folded by its lease holder."""

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

    async def next(self, tenants: Iterable[UUID]) -> Unfinished | None:
        """What to go on with, the oldest first; None when there is nothing to be frozen here now."""
        now = time.monotonic()
        if now < self._not_before:
            return None
        self._rests_until = {tenant: until for tenant, until in self._rests_until.items() if until > now}
        awake = [tenant for tenant in tenants if tenant not in self._rests_until]
        names, versions = [name for name, _ in self._labels], [version for _, version in self._labels]
        async with lent(self._read_pool) as connection:
            row = await connection.fetchrow(_UNFINISHED, awake, names, versions)
        if row is None:
            self._not_before = now + _LOOK_SECONDS
            return None
        values = dict(row)
        return Unfinished(target=values.pop("target"), checkpoint=Checkpoint(**values))

    async def step(self, unfinished: Unfinished) -> bool:
        """Fold one batch; whether more keys of the build are parked than before.

        Raises:
            LeaseLostError, CheckpointMovedError: as any batch.
        """
        before = unfinished.checkpoint
        limit = _BATCH_BESIDE_OTHERS if self._gives_way() else _BATCH_EVENTS
        want = Want(tenant_id=before.tenant_id, after=before.position, until=unfinished.target, limit=limit)
        try:
            async with transaction(self._log_pool, tenant_id=None) as connection:
                stored = await fetch(connection, [want])
        except UNREADABLE:  # told where it was found; what is live must not wait for it
            self._rest(before.tenant_id)
            return False
        if not stored:  # the log ends before the snapshot, as one restored from a backup may
            self._rest(before.tenant_id)
            return False
        events = read_events(stored, self._skips.unread([before]))
        result = await self._projecting.project(Batch(leases=(self._lease,), checkpoints=(before,), events=events))
        if all(one.position == before.position for one in result.checkpoints):
            self._rest(before.tenant_id)
        return any(one.parked > before.parked for one in result.checkpoints)

    def _rest(self, tenant_id: UUID) -> None:
        self._rests_until[tenant_id] = time.monotonic() + _STUCK_PAUSE_SECONDS
