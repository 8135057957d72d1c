"""Everything an operator watches, in one look: computed by whoever asks against the log's head, never by a worker."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from operations.projecting.requests import RequestStatus, recent_requests
from operations.projecting.state import ProjectionStatus, Work, statuses, work
from projections.registry import PROJECTIONS
from shared_kernel.clock import system_clock
from shared_kernel.database.pool import Pool

VERSIONS: tuple[tuple[str, int], ...] = tuple((one.view.name, one.view.version) for one in PROJECTIONS)
_MAX_REQUESTS = 12
_STORES = """
SELECT t.tenant_id, t.slug, h.position AS head FROM write.tenant t JOIN log.tenant_head h USING (tenant_id)
"""
_SHOWN = """
SELECT a.tenant_id, a.name, c.position FROM read.active_build a
JOIN projection.checkpoint c USING (tenant_id, name, version, build)
JOIN unnest($1::text[], $2::int[]) AS wanted(name, version) USING (name, version)
"""
_OLDEST = """
SELECT tenant_id, e.recorded_at FROM unnest($1::uuid[], $2::bigint[]) AS missing(tenant_id, position)
JOIN log.event e USING (tenant_id, position)
"""
_WORKERS = """
SELECT w.worker_id, extract(epoch FROM clock_timestamp() - w.seen_at)::float8 AS seen_seconds_ago,
    coalesce((SELECT array_agg(l.shard ORDER BY l.shard) FROM projection.lease l
              WHERE l.owner = w.worker_id AND l.expires_at > clock_timestamp()), '{}')::int[] AS shards
FROM projection.worker w WHERE w.seen_at > clock_timestamp() - interval '1 hour' ORDER BY w.worker_id LIMIT 64
"""
_BUILDS = """
SELECT c.name, c.version, c.build, c.mode, count(*) AS tenants FROM projection.checkpoint c
JOIN unnest($1::text[], $2::int[]) AS wanted(name, version) USING (name, version)
GROUP BY c.name, c.version, c.build, c.mode ORDER BY c.name, c.build
"""
_PAUSED = "SELECT name FROM projection.pause ORDER BY name"
_FREE_SHARDS = """
SELECT shard FROM projection.lease WHERE owner IS NULL OR expires_at <= clock_timestamp() ORDER BY shard
"""


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a store's slowest projection is.

    Attributes:
        projections_behind: how many do not show everything.
        slowest: the one that is furthest behind; null where none is.
        lag_events: that the slowest does not show.
        lag_seconds: how long ago the oldest of them was recorded.
    """

    tenant: str
    head: int
    projections_behind: int
    slowest: str | None
    lag_events: int
    lag_seconds: float


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A projector, and the shards it holds."""

    worker_id: UUID
    seen_seconds_ago: float
    shards: tuple[int, ...]


class BuildStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How many stores are in which part of a build's life: `live`, `kept`, `returning` or `building`."""

    name: str
    version: int
    build: int
    mode: str
    tenants: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """One look. `stores` has those that are behind first, then by name."""

    at: datetime
    projections: tuple[ProjectionStatus, ...]
    stores: tuple[StoreStatus, ...]
    stores_behind: int
    stores_total: int
    work: Work
    workers: tuple[WorkerStatus, ...]
    free_shards: tuple[int, ...]
    requests: tuple[RequestStatus, ...]
    builds: tuple[BuildStatus, ...]
    paused: tuple[str, ...]


async def look_over(write_pool: Pool, read_pool: Pool, *, max_stores: int) -> Overview:
    """Ask both databases, as the operator's role.

    Args:
        write_pool: the log's.
        read_pool: the read tables'.
        max_stores: how many stores to name, the furthest behind first.
    """
    names, versions = [name for name, _ in VERSIONS], [version for _, version in VERSIONS]
    stores = await store_statuses(write_pool, read_pool)
    return Overview(
        at=system_clock(),
        projections=tuple(await statuses(write_pool, read_pool, VERSIONS)),
        stores=tuple(stores[:max_stores]),
        stores_behind=sum(1 for one in stores if one.projections_behind),
        stores_total=len(stores),
        work=await work(read_pool),
        workers=await workers(read_pool),
        free_shards=tuple(row["shard"] for row in await read_pool.fetch(_FREE_SHARDS)),
        requests=await recent_requests(write_pool, read_pool, limit=_MAX_REQUESTS),
        builds=tuple(BuildStatus(**dict(row)) for row in await read_pool.fetch(_BUILDS, names, versions)),
        paused=tuple(row["name"] for row in await read_pool.fetch(_PAUSED)),
    )


async def workers(read_pool: Pool) -> tuple[WorkerStatus, ...]:
    """Every projector seen within the hour."""
    rows = await read_pool.fetch(_WORKERS)
    return tuple(
        WorkerStatus(
            worker_id=row["worker_id"],
            seen_seconds_ago=round(row["seen_seconds_ago"], 1),
            shards=tuple(row["shards"]),
        )
        for row in rows
    )


async def store_statuses(write_pool: Pool, read_pool: Pool) -> list[StoreStatus]:
    """Every store by its slowest projection, the furthest behind first."""
    names, versions = [name for name, _ in VERSIONS], [version for _, version in VERSIONS]
    shown: dict[UUID, dict[str, int]] = {}
    # Positions before heads: nothing ever seems to be ahead of its log.
    for row in await read_pool.fetch(_SHOWN, names, versions):
        shown.setdefault(row["tenant_id"], {})[row["name"]] = row["position"]
    stores = await write_pool.fetch(_STORES)
    late: dict[UUID, tuple[str, int, int]] = {}
    for row in stores:
        positions = shown.get(row["tenant_id"], {})
        behind = [(positions.get(name, 0), name) for name in names if positions.get(name, 0) < row["head"]]
        if behind:
            position, name = min(behind)
            late[row["tenant_id"]] = (name, position, len(behind))
    oldest = await _oldest(write_pool, [(tenant, position + 1) for tenant, (_, position, _) in late.items()])
    now = system_clock()
    found = []
    for row in stores:
        slowest, position, count = late.get(row["tenant_id"], (None, row["head"], 0))
        since = oldest.get(row["tenant_id"])
        found.append(
            StoreStatus(
                tenant=row["slug"],
                head=row["head"],
                projections_behind=count,
                slowest=slowest,
                lag_events=row["head"] - position,
                lag_seconds=round(max(0.0, (now - since).total_seconds()), 3) if since else 0.0,
            )
        )
    return sorted(found, key=lambda one: (-one.lag_seconds, -one.lag_events, one.tenant))


async def _oldest(write_pool: Pool, missing: Sequence[tuple[UUID, int]]) -> dict[UUID, datetime]:
    if not missing:
        return {}
    rows = await write_pool.fetch(_OLDEST, [tenant for tenant, _ in missing], [position for _, position in missing])
    return {row["tenant_id"]: row["recorded_at"] for row in rows}
