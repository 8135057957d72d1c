"""Many views of many stores at once, and what a query is given of one of them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from projections.fold import AnyRecorded, Projection
from read_side.query_execution import Snapshot
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.redis.state import NOTHING_PROJECTED, ProjectionState
from shared_kernel.views import View
from tests.builders.filling import fill
from tests.servers import Servers

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
    """Every projection of every log; each log is of a tenant of its own."""
    for events in logs:
        for projection in projections:
            await fill(servers, projection, events)


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
