"""Operators' requests are rows: asked for by whoever may, begun and finished by the projector that sees them first."""

import asyncio
from uuid import UUID

import asyncpg
import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime.catalog import Catalog, Subject, create_build
from projections.runtime.drain import DrainParts
from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.retiring import Retirement
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.partitions import SHARDS, shard_of
from shared_kernel.subscription.shards import ShardKeeper
from shared_kernel.subscription.stopping import heed_cancellation

_LOOK_SECONDS = 0.5
_ORPHANED_SECONDS = 60.0
"""Another release may run beside this one and serve what this one does not know."""

log = structlog.get_logger()

_CLAIM = """
SELECT id, name, version, only_tenant FROM projection.request
WHERE kind = 'rebuild' AND state = 'requested' AND ((name, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
    OR requested_at < clock_timestamp() - make_interval(secs => $3))
ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_TENANTS = """
SELECT tenant_id, build FROM read.active_build WHERE (name, version) = ($1, $2) AND ($3::uuid IS NULL OR tenant_id = $3)
"""
_BEGIN_TENANTS = """
INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, revision, rows)
SELECT a.tenant_id, a.name, a.version, $3, 'building', 0, c.revision + 1, 0
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE (a.name, a.version) = ($1, $2) AND a.tenant_id = ANY($4::uuid[])
"""
_RUNNING = """
UPDATE projection.request
SET state = 'running', started_at = clock_timestamp(), from_build = $2, to_build = $3,
    options = options || jsonb_build_object('shards', $4::int)
WHERE id = $1
"""
_REFUSE = """
UPDATE projection.request SET state = 'failed', finished_at = clock_timestamp(), error = $2 WHERE id = $1
"""
_COMPLETE = """
UPDATE projection.request r SET state = 'done', finished_at = clock_timestamp()
WHERE r.kind = 'rebuild' AND r.state = 'running' AND NOT EXISTS (
    SELECT FROM projection.checkpoint c
    WHERE (c.name, c.version, c.build) = (r.name, r.version, r.to_build) AND c.mode = 'building')
RETURNING r.name, r.version, r.to_build
"""


async def run_requests(parts: DrainParts, keeper: ShardKeeper) -> None:
    """Begin what is asked for, finish what is filled and remove what is left over, until cancelled."""
    retirement = Retirement(parts.read_pool, parts.catalog, grace_seconds=parts.grace_seconds)
    while True:
        heed_cancellation()
        try:
            if await _begin_one(parts.read_pool, parts.catalog):
                for shard in range(SHARDS):
                    keeper.wake(shard)
                continue
            await _finish(parts.read_pool)
            await retirement.look()
        except DATABASE_FAILURES as error:
            log.warning("requests_not_looked_at", error=type(error).__name__)
        await asyncio.sleep(_LOOK_SECONDS)


async def _begin_one(pool: Pool, catalog: Catalog) -> bool:
    names = [subject.name for subject in catalog.subjects]
    versions = [subject.version for subject in catalog.subjects]
    async with transaction(pool, tenant_id=None) as connection:
        request = await connection.fetchrow(_CLAIM, names, versions, _ORPHANED_SECONDS)
        if request is None:
            return False
        subject = catalog.get(request["name"])
        if subject is None or subject.version != request["version"]:
            await connection.execute(_REFUSE, request["id"], "no release that runs has such a projection or version")
        else:
            await _begin(connection, subject, request)
        await connection.execute("COMMIT")
    return True


async def _begin(connection: Connection, subject: Subject, request: asyncpg.Record) -> None:
    await checkpoint_rows.lock_builds(connection)
    active = await connection.fetch(_TENANTS, subject.name, subject.version, request["only_tenant"])
    build = await create_build(connection, subject)
    tenants: list[UUID] = [row["tenant_id"] for row in active]
    await connection.execute(_BEGIN_TENANTS, subject.name, subject.version, build, tenants)
    from_build = max((row["build"] for row in active), default=None)
    shards = len({shard_of(tenant) for tenant in tenants})
    await connection.execute(_RUNNING, request["id"], from_build, build, shards)
    log.info("rebuild_started", projection=subject.label, build=build, tenants=len(tenants))


async def _finish(pool: Pool) -> None:
    async with transaction(pool, tenant_id=None) as connection:
        for row in await connection.fetch(_COMPLETE):
            log.info("rebuild_finished", projection=f"{row['name']}@{row['version']}", build=row["to_build"])
        await connection.execute("COMMIT")
