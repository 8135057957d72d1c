"""Folding a store's log again, and comparing: tables and Redis, as `shelfwise projections verify` does."""

from contextlib import AsyncExitStack
from uuid import UUID

from projections.registry import PROJECTIONS
from projections.runtime.catalog import Catalog
from projections.verification.cached_rows import CachedRows
from projections.verification.verify import Verification, Verifier
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.servers import Servers

EVERY_PROJECTION = tuple(projection.view.name for projection in PROJECTIONS)


async def verify(servers: Servers, tenant_id: UUID, *names: str) -> list[Verification]:
    """What a verification of each finds in one store."""
    settings = PoolSettings(application_name="tests", max_size=2, command_timeout_seconds=30)
    async with AsyncExitStack() as stack:
        log_url, read_url = (servers.url_as(DatabaseRole.PROJECTOR, read=read) for read in (False, True))
        log_pool = await stack.enter_async_context(build_pool(log_url, settings))
        read_pool = await stack.enter_async_context(build_pool(read_url, settings))
        redis = await stack.enter_async_context(MultiplexedRedis.from_url(servers.redis_url, client_name="tests"))
        await redis.connect()
        verifier = Verifier(
            log_pool=log_pool, read_pool=read_pool, catalog=Catalog(PROJECTIONS), cached_rows=CachedRows(redis)
        )
        return [await verifier.verify(name, tenant_id=tenant_id) for name in names]
