"""Puts a projection's rows straight into its read table, for tests of queries below the runtime."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from projections.fold import AnyRecorded, Projection
from projections.runtime.catalog import Catalog, ensure_tables
from projections.runtime.codec import ViewCodec
from shared_kernel.database.roles import DatabaseRole
from tests.builders.folding import fold
from tests.servers import Servers

_CHECKPOINT = """
INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, as_of, revision, rows)
VALUES ($1, $2, $3, 1, 'live', $4, $5, 1, $6)
"""
_ACTIVE = "INSERT INTO read.active_build (tenant_id, name, version, build) VALUES ($1, $2, $3, 1)"
_CHUNK = 20_000


async def fill(servers: Servers, projection: Projection[Any], events: Sequence[AnyRecorded]) -> None:
    """Fold one tenant's events into build 1, as the projector would have, and make it the active one."""
    rows = fold(projection, events)
    view = projection.view
    last = events[-1]
    codec = ViewCodec(view)
    values = [(last.tenant_id, row, last.position) for row in rows.values()]
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.PROJECTOR))
    try:
        await ensure_tables(connection, Catalog((projection,)))
        for start in range(0, len(values), _CHUNK):
            await connection.execute(codec.upsert, *codec.upsert_arguments(1, values[start : start + _CHUNK]))
        checkpoint = (last.tenant_id, view.name, view.version, last.position, last.recorded_at, len(rows))
        await connection.execute(_CHECKPOINT, *checkpoint)
        await connection.execute(_ACTIVE, last.tenant_id, view.name, view.version)
    finally:
        await connection.close()
