"""What an operator asks of projections as they stand: to stand still, go on, give up what is kept or half built."""

import asyncpg

from projections.runtime.catalog import Subject
from shared_kernel.database.pool import Connection

_LOCK_ALL = """
SELECT FROM projection.checkpoint WHERE name = $1 ORDER BY tenant_id, name, version, build FOR NO KEY UPDATE
"""
_PAUSE = "INSERT INTO projection.pause (name, requested_by) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_RESUME = "DELETE FROM projection.pause WHERE name = $1"
_STAND = "UPDATE projection.checkpoint SET paused = $2 WHERE name = $1 AND paused <> $2"
_LEAVE_KEPT = """
WITH gone AS (
    DELETE FROM projection.checkpoint
    WHERE (name, version) = ($1, $2) AND mode = 'kept' AND ($3::uuid IS NULL OR tenant_id = $3)
    RETURNING tenant_id, name, version, build)
INSERT INTO projection.leftover (tenant_id, name, version, build)
SELECT tenant_id, name, version, build FROM gone ON CONFLICT DO NOTHING
"""
_CANCEL = """
UPDATE projection.request SET state = 'cancelled', finished_at = clock_timestamp()
WHERE kind = 'rebuild' AND state IN ('requested', 'running') AND (name, version) = ($1, $2)
    AND ($3::uuid IS NULL OR only_tenant = $3)
RETURNING to_build, loaded_at IS NOT NULL AS is_attached
"""
_LEAVE_BUILDING = """
WITH gone AS (
    DELETE FROM projection.checkpoint
    WHERE (name, version, build) = ($1, $2, $3) AND mode = 'building'
    RETURNING tenant_id, name, version, build)
INSERT INTO projection.leftover (tenant_id, name, version, build)
SELECT tenant_id, name, version, build FROM gone ON CONFLICT DO NOTHING
"""
_DROP_BUILD = "SELECT projection.drop_build($1, $2, $3)"
_RUN_BY_ONE = """
SELECT EXISTS (SELECT FROM projection.release r, unnest(r.names, r.versions) AS v(name, version)
               WHERE (v.name, v.version) = ($1, $2) AND r.seen_at > clock_timestamp() - interval '1 minute')
"""
_RETIRE = (
    "DELETE FROM read.active_build WHERE (name, version) = ($1, $2)",
    "DELETE FROM projection.checkpoint WHERE (name, version) = ($1, $2)",
    "DELETE FROM projection.touch_block WHERE (name, version) = ($1, $2)",
    "DELETE FROM projection.touch_index WHERE (name, version) = ($1, $2)",
    "SELECT projection.drop_version($1, $2)",
)


async def pause(connection: Connection, name: str, *, requested_by: str) -> None:
    """Have a projection stand still in every store: whoever has loaded its checkpoints finds them changed."""
    await connection.execute(_PAUSE, name, requested_by)
    await connection.execute(_LOCK_ALL, name)
    await connection.execute(_STAND, name, True)  # noqa: FBT003 - a column's value


async def resume(connection: Connection, name: str) -> None:
    """Let it go on from where it stands."""
    await connection.execute(_RESUME, name)
    await connection.execute(_LOCK_ALL, name)
    await connection.execute(_STAND, name, False)  # noqa: FBT003 - a column's value


async def drop_kept(connection: Connection, subject: Subject, request: asyncpg.Record) -> None:
    """Give up the builds that were kept for a rollback; their rows go when nobody can be reading them."""
    await connection.execute(_LEAVE_KEPT, subject.name, subject.version, request["only_tenant"])


async def cancel(connection: Connection, subject: Subject, request: asyncpg.Record) -> int:
    """Give up rebuilds: stores that have been cut over stay so, the others are read from where they were.

    Returns:
        how many rebuilds there were to give up.
    """
    cancelled = await connection.fetch(_CANCEL, subject.name, subject.version, request["only_tenant"])
    for rebuild in cancelled:
        if rebuild["to_build"] is None:
            continue
        build = (subject.name, subject.version, rebuild["to_build"])
        await connection.execute(_LEAVE_BUILDING, *build)
        if not rebuild["is_attached"]:
            await connection.execute(_DROP_BUILD, *build)
    return len(cancelled)


async def retire(connection: Connection, name: str, version: int) -> bool:
    """Drop a version's table and all that is known of it; False where a release that runs has it."""
    if await connection.fetchval(_RUN_BY_ONE, name, version):
        return False
    for statement in _RETIRE:
        await connection.execute(statement, name, version)
    return True
