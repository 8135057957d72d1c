"""Keeping the index from keys to events nearly complete, in whatever time projecting leaves."""

import asyncio
import time
from collections.abc import Callable, Collection
from uuid import UUID

import structlog

from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.parts import DrainParts
from projections.runtime.touch_index import BLOCK_EVENTS, catch_up
from shared_kernel.database.transactions import transaction
from shared_kernel.log.archive.errors import UNREADABLE
from shared_kernel.log.reader import heads
from shared_kernel.subscription.stopping import heed_cancellation

_LOOK_SECONDS = 2.0
_BUSY_SHARE, _SHARE_BESIDE_NEWS, _IDLE_SHARE = 0.03, 0.1, 0.3
"""Of this process's time, while some store here lags, while none does but some have news, and while nothing happens."""

log = structlog.get_logger()

_STANDS = """
SELECT c.tenant_id, min(c.position) AS position, coalesce(min(i.blocks), 0) AS blocks, count(*) > count(i.*) AS is_new
FROM projection.checkpoint c LEFT JOIN projection.touch_index i USING (tenant_id, name, version)
WHERE c.mode = 'live' AND c.tenant_id = ANY($1::uuid[])
    AND (c.name, c.version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
GROUP BY c.tenant_id
"""


async def run_indexing(parts: DrainParts, held: Callable[[], Collection[int]], gives_way: Callable[[], bool]) -> None:
    """Index what the stores of the shards that are `held` here have recorded, until cancelled.

    Args:
        held: the shards.
        gives_way: whether some store has had news.
    """
    while True:
        heed_cancellation()
        try:
            await _look(parts, held(), gives_way)
        except DATABASE_FAILURES as error:
            log.warning("index_not_caught_up", error=type(error).__name__)
        await asyncio.sleep(_LOOK_SECONDS)


async def _look(parts: DrainParts, shards: Collection[int], gives_way: Callable[[], bool]) -> None:
    """A turn for each store whose index lacks whole blocks; the pauses between them are most of the time."""
    async with transaction(parts.log_pool, tenant_id=None) as connection:
        ends = {head.tenant_id: head.position for head in await heads(connection, shards)}
    subjects = parts.catalog.subjects
    async with transaction(parts.read_pool, tenant_id=None) as connection:
        stands = await connection.fetch(
            _STANDS, list(ends), [one.name for one in subjects], [one.version for one in subjects]
        )
    is_any_behind = any(row["position"] < ends[row["tenant_id"]] for row in stands)
    for row in stands:
        # Not past what is projected: an event that ends its process is met, and parked, by the projector first.
        until = min(row["position"], ends[row["tenant_id"]])
        if until // BLOCK_EVENTS > (0 if row["is_new"] else row["blocks"]):
            try:
                share = _SHARE_BESIDE_NEWS if gives_way() else _IDLE_SHARE
                share = _BUSY_SHARE if is_any_behind else share
                await _turn(parts, row["tenant_id"], until, share=share)
            except UNREADABLE as error:  # of one store; the others are indexed all the same
                log.warning("index_not_caught_up", tenant=str(row["tenant_id"]), error=str(error))


async def _turn(parts: DrainParts, tenant_id: UUID, until: int, *, share: float) -> None:
    started = time.monotonic()
    await catch_up(
        log_pool=parts.log_pool,
        read_pool=parts.read_pool,
        tenant_id=tenant_id,
        subjects=parts.catalog.subjects,
        until=until,
    )
    spent_seconds = time.monotonic() - started
    await asyncio.sleep(spent_seconds * (1 - share) / share)
