"""Operators' requests are rows: asked for by anybody who may, begun and finished by whichever projector sees them first."""

import asyncio
from uuid import UUID

import structlog

from projections.runtime.catalog import create_build
from projections.runtime.drain import DATABASE_FAILURES, DrainParts
from projections.runtime.shards import ShardKeeper
from shared_kernel.database.pool import Connection
from shared_kernel.database.transactions import transaction
from shared_kernel.log.partitions import SHARDS, shard_of

_LOOK_SECONDS = 0.5

log = structlog.get_logger()

_CLAIM = """
SELECT id, name, version, only_tenant FROM projection.request
WHERE state = 'requested' ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED
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
WHERE r.state = 'running' AND NOT EXISTS (
    SELECT FROM projection.checkpoint c
    WHERE (c.name, c.version, c.build) = (r.name, r.version, r.to_build) AND c.mode = 'building')
RETURNING r.name, r.version
"""
_UNUSED = """
SELECT b.name, b.version, b.build FROM projection.build b
WHERE (b.name, b.version) = ($1, $2)
  AND NOT EXISTS (SELECT FROM projection.checkpoint c
                  WHERE (c.name, c.version, c.build) = (b.name, b.version, b.build))
  AND b.build < (SELECT max(build) FROM projection.build n WHERE (n.name, n.version) = ($1, $2))
"""


async def run_requests(parts: DrainParts, keeper: ShardKeeper) -> None:
    """Begin what is asked for and finish what is filled, until cancelled."""
    while True:
        try:
            if await _begin_one(parts):
                for shard in range(SHARDS):
                    keeper.wake(shard)
                continue
            await _finish(parts)
        except DATABASE_FAILURES as error:
            log.warning("requests_not_looked_at", error=type(error).__name__)
        await asyncio.sleep(_LOOK_SECONDS)


async def _begin_one(parts: DrainParts) -> bool:
    async with transaction(parts.read_pool, tenant_id=None) as connection:
        request = await connection.fetchrow(_CLAIM)
        if request is None:
            return False
        subject = parts.catalog.get(request["name"])
        if subject is None or subject.version != request["version"]:
            await connection.execute(_REFUSE, request["id"], "this release has no such projection or version")
        else:
            active = await connection.fetch(_TENANTS, subject.name, subject.version, request["only_tenant"])
            build = await create_build(connection, subject)
            tenants: list[UUID] = [row["tenant_id"] for row in active]
            await connection.execute(_BEGIN_TENANTS, subject.name, subject.version, build, tenants)
            from_build = max((row["build"] for row in active), default=None)
            shards = len({shard_of(tenant) for tenant in tenants})
            await connection.execute(_RUNNING, request["id"], from_build, build, shards)
            log.info("rebuild_started", projection=subject.label, build=build, tenants=len(tenants))
        await connection.execute("COMMIT")
    return True


async def _finish(parts: DrainParts) -> None:
    async with transaction(parts.read_pool, tenant_id=None) as connection:
        done = await connection.fetch(_COMPLETE)
        for row in done:
            log.info("rebuild_finished", projection=f"{row['name']}@{row['version']}")
            await _drop_unused(connection, row["name"], row["version"])
        await connection.execute("COMMIT")


async def _drop_unused(connection: Connection, name: str, version: int) -> None:
    """Builds that no tenant reads or keeps go, whole."""
    for row in await connection.fetch(_UNUSED, name, version):
        await connection.execute("SELECT projection.drop_build($1, $2, $3)", row["name"], row["version"], row["build"])
