"""Fills read tables from events by their own folds, without a worker, and opens what a query is given."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from projections.fold import AnyRecorded, Projection
from projections.runtime.catalog import Catalog, Subject, ensure_tables
from read_side.query_execution import Snapshot
from shared_kernel.database.pool import Connection, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.redis.state import NOTHING_PROJECTED, ProjectionState
from shared_kernel.views import View
from tests.builders.folding import fold
from tests.servers import Servers

_BUILD = 1
_CHECKPOINT = """
INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, as_of, revision, rows)
VALUES ($1, $2, $3, $4, 'live', $5, $6, 1, $7)
"""
_ACTIVE = "INSERT INTO read.active_build (tenant_id, name, version, build) VALUES ($1, $2, $3, $4)"
_STATE = """
SELECT c.build, c.revision, c.position, c.as_of, c.parked, c.rows
FROM read.active_build b JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE b.tenant_id = $1 AND b.name = $2 AND b.version = $3
"""


async def fill_tables(
    servers: Servers,
    projections: Sequence[Projection[Any]],  # Any: rows of every view
    logs: Iterable[Sequence[AnyRecorded]],
) -> None:
    """Fold each tenant's log, and write the rows as the projector; each log is of a tenant of its own."""
    catalog = Catalog(projections)
    settings = PoolSettings(application_name="test", max_size=1)
    async with build_pool(servers.url_as(DatabaseRole.PROJECTOR), settings) as pool, pool.acquire() as connection:
        await ensure_tables(connection, catalog)
        for events in logs:
            for subject in catalog.subjects:
                await _fill(connection, subject, events)


@asynccontextmanager
async def open_snapshot(servers: Servers, view: View[Any], tenant_id: UUID) -> AsyncIterator[Snapshot]:  # Any: as above
    """What a fetch is given: the read API's own role, so that its policies hold."""
    settings = PoolSettings(application_name="test", max_size=1)
    async with (
        build_pool(servers.url_as(DatabaseRole.READ_API), settings) as pool,
        transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=tenant_id) as connection,
    ):
        record = await connection.fetchrow(_STATE, tenant_id, view.name, view.version)
        state = NOTHING_PROJECTED if record is None else ProjectionState(**dict(record))
        yield Snapshot(connection=connection, tenant_id=tenant_id, state=state)


async def _fill(connection: Connection, subject: Subject, events: Sequence[AnyRecorded]) -> None:
    rows = fold(subject.projection, events)
    last = events[-1]
    arguments = subject.codec.upsert_arguments(_BUILD, [(last.tenant_id, row, last.position) for row in rows.values()])
    await connection.execute(subject.codec.upsert, *arguments)
    identity = (last.tenant_id, subject.name, subject.version, _BUILD)
    await connection.execute(_CHECKPOINT, *identity, last.position, last.recorded_at, len(rows))
    await connection.execute(_ACTIVE, *identity)
