"""`projections verify`, as the projector's role reads both databases."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import UUID

from operations.in_house import pool_as
from operations.servers.installation import Installation
from projections.registry import PROJECTIONS
from projections.runtime.catalog import Catalog, ensure_tables
from projections.verification.cached_rows import CachedRows
from projections.verification.extra_rows import ExtraRows
from projections.verification.verify import Verification, Verifier
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.redis.errors import RedisUnavailable
from shared_kernel.redis.multiplexed import MultiplexedRedis


async def verify_projection(
    installation: Installation,
    name: str,
    *,
    tenant_id: UUID | None = None,
    on_events: Callable[[int, int], None] = lambda _done, _of: None,
    role: DatabaseRole = DatabaseRole.PROJECTOR,
) -> Verification:
    """Compare one projection with a fold of the log, in one store or all; with Redis away, in PostgreSQL only.

    Args:
        installation: whose projection.
        name: of the projection.
        tenant_id: one store only.
        on_events: is told how many events are folded, of how many.
        role: who reads; only a projector may make tables that are not there yet.
    """
    catalog = Catalog(PROJECTIONS)
    async with AsyncExitStack() as stack:
        log_pool = await stack.enter_async_context(pool_as(role, installation, read=False))
        read_pool = await stack.enter_async_context(pool_as(role, installation, read=True))
        redis = await stack.enter_async_context(
            MultiplexedRedis.from_url(installation.redis_url, client_name="command-line")
        )
        if role is DatabaseRole.PROJECTOR:
            async with read_pool.acquire() as connection:
                await ensure_tables(connection, catalog)  # where no projector of this release has run yet
        has_redis = await _is_there(redis)
        verifier = Verifier(
            log_pool=log_pool,
            read_pool=read_pool,
            catalog=catalog,
            cached_rows=CachedRows(redis) if has_redis else None,
            extra_rows=ExtraRows(redis, read_pool) if has_redis else None,
            on_events=on_events,
        )
        return await verifier.verify(name, tenant_id=tenant_id)


async def _is_there(redis: MultiplexedRedis) -> bool:
    try:
        await redis.connect()
    except RedisUnavailable:
        return False
    return True
