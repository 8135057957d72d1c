"""Leases: one worker at a time drains a shard, and its epoch fences out whoever held it before.

A worker that lost a lease without noticing (stopped, partitioned) still has the old epoch: every transaction locks the lease
row and compares, so it changes nothing. Redis compares the same epoch.
"""

from collections.abc import Sequence
from uuid import UUID

from projections.runtime.errors import LeaseLostError
from shared_kernel.database.pool import Connection
from shared_kernel.log.partitions import SHARDS

LEASE_SECONDS = 4.0
"""A dead worker's shards stand still for as long as this; a live one renews four times in it."""
WORKER_SEEN_SECONDS = 5.0
"""A worker not seen for this long no longer counts when shards are shared out."""

_HEARTBEAT = """
INSERT INTO projection.worker (worker_id, seen_at) VALUES ($1, clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET_DEAD = "DELETE FROM projection.worker WHERE seen_at < clock_timestamp() - make_interval(secs => 3600)"
_LIVE = "SELECT count(*) FROM projection.worker WHERE seen_at > clock_timestamp() - make_interval(secs => $1)"
_ENSURE = "INSERT INTO projection.lease (shard) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING"
_RENEW = """
UPDATE projection.lease SET expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE owner = $1 RETURNING shard, epoch
"""
_ACQUIRE = """
WITH free AS (
    SELECT shard FROM projection.lease WHERE owner IS NULL OR expires_at < clock_timestamp()
    ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE projection.lease l SET owner = $1, epoch = l.epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $2)
FROM free WHERE l.shard = free.shard RETURNING l.shard, l.epoch
"""
_RELEASE = """
UPDATE projection.lease SET owner = NULL, expires_at = '-infinity' WHERE owner = $1 AND shard = ANY($2::smallint[])
"""
_LEAVE = "DELETE FROM projection.worker WHERE worker_id = $1"
_FENCE = "SELECT true FROM projection.lease WHERE shard = $1 AND epoch = $2 AND owner IS NOT NULL FOR SHARE"


async def ensure_leases(connection: Connection) -> None:
    """One row a shard; doing it again changes nothing."""
    await connection.execute(_ENSURE, SHARDS)


async def heartbeat(connection: Connection, worker_id: UUID) -> int:
    """Say that this worker lives; how many do."""
    await connection.execute(_HEARTBEAT, worker_id)
    await connection.execute(_FORGET_DEAD)
    live: int = await connection.fetchval(_LIVE, WORKER_SEEN_SECONDS)
    return live


async def renew(connection: Connection, worker_id: UUID) -> dict[int, int]:
    """Renew what this worker still owns: epochs by shard."""
    return {row["shard"]: row["epoch"] for row in await connection.fetch(_RENEW, worker_id, LEASE_SECONDS)}


async def acquire(connection: Connection, worker_id: UUID, *, at_most: int) -> dict[int, int]:
    """Take free or expired shards: their new epochs by shard."""
    rows = await connection.fetch(_ACQUIRE, worker_id, LEASE_SECONDS, at_most)
    return {row["shard"]: row["epoch"] for row in rows}


async def release(connection: Connection, worker_id: UUID, shards: Sequence[int]) -> None:
    """Give shards back, so that another worker need not wait for their expiry."""
    await connection.execute(_RELEASE, worker_id, list(shards))


async def leave(connection: Connection, worker_id: UUID) -> None:
    """This worker ends."""
    await connection.execute(_LEAVE, worker_id)


async def fence(connection: Connection, shard: int, epoch: int) -> None:
    """Hold the lease row until the transaction ends.

    Raises:
        LeaseLostError: another worker has the shard.
    """
    if not await connection.fetchval(_FENCE, shard, epoch):
        message = f"shard {shard} is no longer leased under epoch {epoch}"
        raise LeaseLostError(message)
