"""Stands in for the projector: says where a store's views stand, in PostgreSQL and in Redis."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from projections.kpis import PROJECTION as KPIS
from projections.locations import PROJECTION as LOCATIONS
from projections.runtime.catalog import Catalog, ensure_tables
from read_side.live.topics import TOPICS
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.state import ProjectionState, encode_state
from tests.read_side.query_execution.books import INCARNATION
from tests.servers import Servers

_CHECKPOINT = """
INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, as_of, revision, rows, parked)
VALUES ($1, $2, $3, $4, 'live', $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, name, version, build) DO UPDATE
SET position = $5, as_of = $6, revision = $7, rows = $8, parked = $9
"""
_ACTIVE = """
INSERT INTO read.active_build (tenant_id, name, version, build) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, name, version) DO UPDATE SET build = $4
"""
_OTHER_BUILDS = """
INSERT INTO projection.build (name, version, build)
SELECT name, version + 1, build FROM projection.build WHERE name = $1
"""
_OTHER_CHECKPOINT = """
INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, as_of, revision, rows, parked)
SELECT tenant_id, name, version + 1, build, mode, position, as_of, revision, rows, parked
FROM projection.checkpoint WHERE tenant_id = $1 AND name = $2
"""
_OTHER_ACTIVE = "UPDATE read.active_build SET version = version + 1 WHERE tenant_id = $1 AND name = $2"


async def make_tables(servers: Servers) -> None:
    """Those of the views that tests here move."""
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.PROJECTOR))
    try:
        await ensure_tables(connection, Catalog((KPIS, LOCATIONS)))
    finally:
        await connection.close()


async def show(
    servers: Servers, tenant_id: UUID, topics: Mapping[str, ProjectionState], *, in_redis: bool = True
) -> None:
    """Have every view of these topics stand there."""
    states = [(view, state) for name, state in topics.items() for view in TOPICS[name].views]
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.PROJECTOR))
    try:
        async with connection.transaction():
            for view, state in states:
                build = (tenant_id, view.name, view.version, state.build)
                values = (state.position, state.as_of, state.revision, state.rows, state.parked)
                await connection.execute(_CHECKPOINT, *build, *values)
                await connection.execute(_ACTIVE, *build)
    finally:
        await connection.close()
    if in_redis:
        async with Redis.from_url(servers.redis_url) as redis:
            fields = {"i": INCARNATION, "e": "1", **{view.label: encode_state(state) for view, state in states}}
            await redis.hset(TenantKeys(tenant_id).state_key(), mapping=fields)


async def have_of_another_version(servers: Servers, tenant_id: UUID, topic: str) -> None:
    """As while a release is rolled out whose version of the topic's views is not the one that was built."""
    connection = await asyncpg.connect(servers.read_admin_url)
    try:
        async with connection.transaction():
            for view in TOPICS[topic].views:
                await connection.execute(_OTHER_BUILDS, view.name)
                await connection.execute(_OTHER_CHECKPOINT, tenant_id, view.name)
                await connection.execute(_OTHER_ACTIVE, tenant_id, view.name)
    finally:
        await connection.close()
