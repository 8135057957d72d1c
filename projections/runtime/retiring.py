"""Removing what no tenant reads any more: whole builds by dropping their partition, a tenant's leftovers row by row.

A reader may have learnt of a build in its snapshot and read its rows a moment later, and a dropped partition is gone
from older snapshots too: so nothing goes before every such reader has ended.
"""

import time

import asyncpg
import structlog

from projections.runtime.catalog import Catalog, Subject
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction

log = structlog.get_logger()

GRACE_SECONDS = 60.0
"""Longer than any reader's statements and its pauses between them may take."""
_ROWS_PER_LOOK = 5_000
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '50ms'"
"""Dropping a partition wants the whole table to itself, and readers queue behind whoever waits for that."""

_RIPE = """
SELECT l.tenant_id, l.build,
    l.build < (SELECT max(b.build) FROM projection.build b WHERE (b.name, b.version) = ($1, $2) AND NOT b.is_frozen)
    AND NOT EXISTS (
        SELECT FROM projection.checkpoint c WHERE (c.name, c.version, c.build) = (l.name, l.version, l.build)
    ) AS is_whole
FROM projection.leftover l
WHERE (l.name, l.version) = ($1, $2)
    AND NOT EXISTS (
        SELECT FROM projection.leftover young
        WHERE (young.name, young.version, young.build) = (l.name, l.version, l.build)
            AND young.since > clock_timestamp() - make_interval(secs => $3))
    AND NOT EXISTS (
        SELECT FROM projection.request r WHERE (r.name, r.version) = (l.name, l.version) AND r.state = 'running')
ORDER BY l.build, l.tenant_id LIMIT 1
"""
_FORGET = "DELETE FROM projection.leftover WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)"


class Retirement:
    """One worker's part in it; several may be at it."""

    def __init__(self, pool: Pool, catalog: Catalog, *, grace_seconds: float) -> None:
        self._pool = pool
        self._catalog = catalog
        self._grace_seconds = grace_seconds
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0

    async def look(self) -> None:
        """Remove a bounded piece of what is due, of each projection."""
        if time.monotonic() < self._not_before:
            return
        try:
            found = [await self._remove_some(subject) for subject in self._catalog.subjects]
        except asyncpg.LockNotAvailableError:
            self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, self._pause_seconds * 2)
        else:
            self._pause_seconds = _FIRST_PAUSE_SECONDS
            if any(found):
                return
        self._not_before = time.monotonic() + self._pause_seconds

    async def _remove_some(self, subject: Subject) -> bool:
        async with transaction(self._pool, tenant_id=None, preamble=_LOCK_TIMEOUT) as connection:
            ripe = await connection.fetchrow(_RIPE, subject.name, subject.version, self._grace_seconds)
            if ripe is None:
                return False
            if ripe["is_whole"]:
                await connection.execute(
                    "SELECT projection.drop_build($1, $2, $3)", subject.name, subject.version, ripe["build"]
                )
                log.info("build_dropped", projection=subject.label, build=ripe["build"])
            else:
                await _delete_some(connection, subject, ripe)
            await connection.execute("COMMIT")
        return True


async def _delete_some(connection: Connection, subject: Subject, ripe: asyncpg.Record) -> None:
    gone = await connection.execute(subject.codec.delete_some, ripe["tenant_id"], ripe["build"], _ROWS_PER_LOOK)
    if gone == "DELETE 0":
        await connection.execute(_FORGET, ripe["tenant_id"], subject.name, subject.version, ripe["build"])
