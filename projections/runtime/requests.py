"""Operators' requests are rows: asked for by whoever may, begun and finished by the projector that sees them first."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import asyncpg
import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import standing
from projections.runtime.beginning import begin_late_tenants, begin_rebuild, begin_rollback
from projections.runtime.catalog import Catalog, Subject, attach_build
from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.healing import end_lost
from projections.runtime.parts import DrainParts
from projections.runtime.retiring import Retirement
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.partitions import SHARDS
from shared_kernel.subscription.shards import ShardKeeper
from shared_kernel.subscription.stopping import heed_cancellation

_LOOKS_APART, _LOOK_SECONDS = 5, 0.1
"""How often it is only asked whether anything is asked for, before all is looked after; and each time in between, which
is what a request, or the next step of one that is under way, may wait."""
_PAUSE_SECONDS = 0.5
"""After a look that failed: as a rule the database is away, and each says so in the log."""
_ORPHANED_SECONDS = 60.0
"""Another release may run beside this one and serve what this one does not know."""
_NOT_KNOWN = "no release that runs has such a projection or version"
_STILL_RUN = "a release that runs has this version, or had it a minute ago"
_NOTHING_KEPT = "no build is kept: only a rebuild with --keep-old keeps one"
_NOTHING_RUNS = "no rebuild of it is under way"

KINDS = ("rebuild", "rollback", "pause", "resume", "cancel", "drop_kept", "retire")
"""What this file carries out."""

log = structlog.get_logger()

_CLAIM = """
SELECT id, kind, name, version, only_tenant, requested_by FROM projection.request
WHERE state = 'requested' AND kind = ANY($4::text[])
    AND (kind = 'retire' OR (name, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
        OR requested_at < clock_timestamp() - make_interval(secs => $3))
ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_REFUSE = """
UPDATE projection.request SET state = 'failed', finished_at = clock_timestamp(), error = $2 WHERE id = $1
"""
_DONE = """
UPDATE projection.request
SET state = 'done', started_at = coalesce(started_at, clock_timestamp()), finished_at = clock_timestamp() WHERE id = $1
"""
_LOADED = """
SELECT id, name, version, only_tenant, to_build FROM projection.request r
WHERE r.kind = 'rebuild' AND r.state = 'running' AND r.loaded_at IS NULL
    AND (r.name, r.version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
    AND NOT EXISTS (SELECT FROM projection.load l WHERE (l.name, l.version, l.build) = (r.name, r.version, r.to_build))
ORDER BY r.requested_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_COMPLETE = """
UPDATE projection.request r SET state = 'done', finished_at = clock_timestamp()
WHERE r.state = 'running' AND CASE r.kind
    WHEN 'rebuild' THEN r.loaded_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM projection.checkpoint c
        WHERE (c.name, c.version, c.build) = (r.name, r.version, r.to_build) AND c.mode = 'building')
    WHEN 'rollback' THEN NOT EXISTS (
        SELECT FROM projection.checkpoint c
        WHERE (c.name, c.version) = (r.name, r.version) AND c.mode = 'returning'
            AND (r.only_tenant IS NULL OR r.only_tenant = c.tenant_id))
    ELSE false END
RETURNING r.kind, r.name, r.version, r.to_build
"""
# Of what this release can begin: what is another's would be found again and again for as long as that is not there.
_ASKED = """
SELECT EXISTS (SELECT FROM projection.request WHERE state = 'requested' AND kind = ANY($3::text[])
    AND (kind = 'retire' OR (name, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))))
"""
_LAST_CHANGE = """
SELECT max(greatest(started_at, loaded_at, finished_at)) AS at, bool_or(state = 'running') AS is_busy,
    ARRAY(SELECT tenant_id FROM projection.checkpoint WHERE mode IN ('building', 'returning')
        UNION SELECT c.tenant_id FROM projection.frozen_build f
        JOIN projection.checkpoint c USING (tenant_id, name, version, build)
        WHERE c.position < f.position) AS unfinished
FROM projection.request WHERE kind = ANY($1::text[])
"""


async def run_requests(parts: DrainParts, keeper: ShardKeeper) -> None:
    """Begin what is asked for, finish what is filled and remove what is left over, until cancelled."""
    retirement = Retirement(parts.read_pool, parts.catalog, grace_seconds=parts.grace_seconds)
    watch = _Watch(parts, keeper.wake)
    while True:
        heed_cancellation()
        try:
            if await _begin_one(parts.read_pool, parts.catalog) or await _attach_one(parts.read_pool, parts.catalog):
                await watch.look()
                continue
            await _finish(parts.read_pool)
            await watch.look()
            await retirement.look()
            await watch.wait()
        except DATABASE_FAILURES as error:
            log.warning("requests_not_looked_at", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)


class _Watch:
    """Tells this worker's drains when any worker has carried out something that changes what they know."""

    def __init__(self, parts: DrainParts, wake: Callable[[int], bool]) -> None:
        self._pool = parts.read_pool
        self._catalog = parts.catalog
        self._news = parts.news
        self._wake = wake
        self._seen: datetime | None = None
        self._is_busy = False

    async def look(self) -> None:
        """Compare with the last look."""
        row = await self._pool.fetchrow(_LAST_CHANGE, list(KINDS))
        self._is_busy = bool(row["is_busy"])
        self._news.note_unfinished(row["unfinished"])
        if row["at"] == self._seen:
            return
        self._seen = row["at"]
        self._news.note()
        for shard in range(SHARDS):
            self._wake(shard)

    async def wait(self) -> None:
        """Until it is time to look: soon while something is under way, at once when something is asked for."""
        for _ in range(1 if self._is_busy else _LOOKS_APART):
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._is_busy and await is_asked(self._pool, self._catalog):
                return


async def is_asked(pool: Pool, catalog: Catalog) -> bool:
    """Whether there is a request that this release can begin."""
    found: bool = await pool.fetchval(_ASKED, *_labels(catalog), list(KINDS))
    return found


async def _begin_one(pool: Pool, catalog: Catalog) -> bool:
    async with transaction(pool, tenant_id=None) as connection:
        request = await connection.fetchrow(_CLAIM, *_labels(catalog), _ORPHANED_SECONDS, list(KINDS))
        if request is None:
            return False
        subject = catalog.get(request["name"])
        if request["kind"] == "retire":
            await _retire(connection, request)
        elif subject is None or subject.version != request["version"]:
            await connection.execute(_REFUSE, request["id"], _NOT_KNOWN)
        else:
            await _carry_out(connection, subject, request)
        await connection.execute("COMMIT")
    log.info("request_begun", kind=request["kind"], projection=request["name"], requested_by=request["requested_by"])
    return True


async def _carry_out(connection: Connection, subject: Subject, request: asyncpg.Record) -> None:
    refusal: str | None = None
    match request["kind"]:
        case "rebuild":
            await begin_rebuild(connection, subject, request)
            return
        case "rollback":
            if await begin_rollback(connection, subject, request):
                return
            refusal = _NOTHING_KEPT
        case "pause":
            await checkpoint_rows.lock_builds(connection)
            await standing.pause(connection, subject.name, requested_by=request["requested_by"])
        case "resume":
            await checkpoint_rows.lock_builds(connection)
            await standing.resume(connection, subject.name)
        case "drop_kept":
            await standing.drop_kept(connection, subject, request)
        case _:
            refusal = None if await standing.cancel(connection, subject, request) else _NOTHING_RUNS
    if refusal is None:
        await connection.execute(_DONE, request["id"])
    else:
        await connection.execute(_REFUSE, request["id"], refusal)


async def _retire(connection: Connection, request: asyncpg.Record) -> None:
    """Of a version that nobody runs, so whoever sees the request first may carry it out."""
    if await standing.retire(connection, request["name"], request["version"]):
        await connection.execute(_DONE, request["id"])
    else:
        await connection.execute(_REFUSE, request["id"], _STILL_RUN)


async def _attach_one(pool: Pool, catalog: Catalog) -> bool:
    """Attach a build that nothing is left to be loaded into; whether there was one."""
    async with transaction(pool, tenant_id=None) as connection:
        request = await connection.fetchrow(_LOADED, *_labels(catalog))
        if request is None:
            return False
        await attach_build(connection, request["name"], request["version"], request["to_build"])
        await connection.execute("COMMIT")
    # Stores wait to be begun while the builds are locked, so not for as long as indexes are built.
    async with transaction(pool, tenant_id=None) as connection:
        await begin_late_tenants(connection, request)
        await connection.execute("COMMIT")
    return True


async def _finish(pool: Pool) -> None:
    async with transaction(pool, tenant_id=None) as connection:
        for row in await connection.fetch(_COMPLETE):
            label = f"{row['name']}@{row['version']}"
            log.info("request_finished", kind=row["kind"], projection=label, build=row["to_build"])
        await end_lost(connection)
        await connection.execute("COMMIT")


def _labels(catalog: Catalog) -> tuple[list[str], list[int]]:
    return [subject.name for subject in catalog.subjects], [subject.version for subject in catalog.subjects]
