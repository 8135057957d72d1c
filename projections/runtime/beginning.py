"""The first step of what takes longer: which stores a rebuild or a rollback is about, and what is to do in each."""

import asyncpg
import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime.catalog import Subject, begin_build
from shared_kernel.database.pool import Connection
from shared_kernel.log.partitions import shard_of

FEWEST_LOADED_EVENTS = 2_000
"""Below this the ordinary batches are done before a loader has started."""

log = structlog.get_logger()

# Who reads no build of this version yet reads one of another: a new release's versions are built like that.
_READ = """
SELECT DISTINCT ON (a.tenant_id) a.tenant_id, a.version, a.build, c.position, c.revision, c.paused
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE a.name = $1 AND ($3::uuid IS NULL OR a.tenant_id = $3)
ORDER BY a.tenant_id, a.version = $2 DESC, a.version DESC
"""
_BEGIN_TENANTS = f"""
INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, revision, rows, paused)
SELECT r.tenant_id, $1, $2, $4, 'building', 0, r.revision + 1, 0, r.paused FROM ({_READ}) r
WHERE (r.version, r.build) <> ($2, $4)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - a constant of this module
_BEGIN_LOADS = """
INSERT INTO projection.load (tenant_id, name, version, build, size)
SELECT t.tenant_id, $1, $2, $3, t.size FROM unnest($4::uuid[], $5::bigint[]) AS t(tenant_id, size)
"""
_RUNNING = """
UPDATE projection.request
SET state = 'running', started_at = clock_timestamp(), from_build = $2, to_build = $3,
    options = options || jsonb_build_object('shards', $4::int)
WHERE id = $1
"""
_RETURN = """
UPDATE projection.checkpoint c SET mode = 'returning'
FROM (SELECT DISTINCT ON (tenant_id) tenant_id, build FROM projection.checkpoint
      WHERE (name, version) = ($1, $2) AND mode = 'kept' AND ($3::uuid IS NULL OR tenant_id = $3)
      ORDER BY tenant_id, build DESC) newest
WHERE (c.tenant_id, c.name, c.version, c.build) = (newest.tenant_id, $1, $2, newest.build)
RETURNING c.tenant_id, c.build
"""
_ATTACHED = "UPDATE projection.request SET loaded_at = clock_timestamp() WHERE id = $1"


async def begin_rebuild(connection: Connection, subject: Subject, request: asyncpg.Record) -> None:
    """Make the next build and note what is to be loaded into it; until it is attached nobody sees it."""
    await checkpoint_rows.lock_builds(connection)
    active = await connection.fetch(_READ, subject.name, subject.version, request["only_tenant"])
    build = await begin_build(connection, subject)
    await connection.execute(_BEGIN_TENANTS, subject.name, subject.version, request["only_tenant"], build)
    if sum(row["position"] for row in active) >= FEWEST_LOADED_EVENTS:
        tenants, sizes = [row["tenant_id"] for row in active], [row["position"] for row in active]
        await connection.execute(_BEGIN_LOADS, subject.name, subject.version, build, tenants, sizes)
    await _note_running(connection, request, active, to_build=build)
    log.info("rebuild_started", projection=subject.label, build=build, tenants=len(active))


async def begin_late_tenants(connection: Connection, request: asyncpg.Record) -> None:
    """A store that was first seen while the build was loaded is built too; all of them are now folded like others."""
    await checkpoint_rows.lock_builds(connection)
    await connection.execute(
        _BEGIN_TENANTS, request["name"], request["version"], request["only_tenant"], request["to_build"]
    )
    await connection.execute(_ATTACHED, request["id"])


async def begin_rollback(connection: Connection, subject: Subject, request: asyncpg.Record) -> bool:
    """Say of each store's newest kept build that it is to be read again; False where none is kept."""
    returning = await connection.fetch(_RETURN, subject.name, subject.version, request["only_tenant"])
    if not returning:
        return False
    active = await connection.fetch(_READ, subject.name, subject.version, request["only_tenant"])
    await _note_running(connection, request, active, to_build=max(row["build"] for row in returning))
    log.info("rollback_started", projection=subject.label, tenants=len(returning))
    return True


async def _note_running(
    connection: Connection, request: asyncpg.Record, active: list[asyncpg.Record], *, to_build: int
) -> None:
    builds = [row["build"] for row in active if row["version"] == request["version"]]
    from_build = max(builds, default=None)
    shards = len({shard_of(row["tenant_id"]) for row in active})
    await connection.execute(_RUNNING, request["id"], from_build, to_build, shards)
