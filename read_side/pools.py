"""The connections of a process of the query API: how many, and for what."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from read_side.settings import ReadApiSettings
from shared_kernel.database.pool import IN_INDEX_ORDER, OpeningPool, Pool, PoolSettings, build_pool, opened_together

_READ_POOL_SIZE: Final = 8
"""Half of them are kept for pages that are planned for their values."""
_PAGE_POOL_SIZE: Final = 5
"""For pages that an index holds in their order, most of what tables are asked for: a few connections are
as many as PostgreSQL has cores for them."""
_HEAD_POOL_SIZE: Final = 2
"""Each tenant's head is asked for once in five seconds at most, and by one request at a time."""
_WATCH_POOL_SIZE: Final = 1
"""Of its own, on either database: it must see when requests have taken every other connection."""


class Pools(msgspec.Struct, frozen=True, kw_only=True):
    """Of either database; those of the write side are None where this process does not know it."""

    reads: Pool
    pages: Pool
    heads: Pool | None
    watched_reads: Pool
    watched_writes: Pool | None


@asynccontextmanager
async def pools_of(settings: ReadApiSettings) -> AsyncIterator[Pools]:
    """All pools of this process, which end at once: one after the other, each would wait for a database that hangs."""
    read_url, write_url = settings.read_database_url, settings.write_database_url
    openings = [
        _pool(read_url, _READ_POOL_SIZE),
        _pool(read_url, _PAGE_POOL_SIZE, planner=IN_INDEX_ORDER),
        _pool(read_url, _WATCH_POOL_SIZE),
    ]
    if write_url is not None:
        openings += [_pool(write_url, _HEAD_POOL_SIZE), _pool(write_url, _WATCH_POOL_SIZE)]
    async with opened_together(*openings) as (reads, pages, watched_reads, *of_writes):
        heads, watched_writes = of_writes or (None, None)
        yield Pools(reads=reads, pages=pages, heads=heads, watched_reads=watched_reads, watched_writes=watched_writes)


def _pool(url: str, size: int, *, planner: Mapping[str, str] | None = None) -> OpeningPool:
    # No connection of its own accord: the process starts, and says that it is not ready, while a database is away.
    settings = PoolSettings(application_name="shelfwise-read-api", min_size=0, max_size=size, planner=planner or {})
    return build_pool(url, settings)
