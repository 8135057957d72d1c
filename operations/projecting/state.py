"""What the two databases say about projections, as an operator sees it: how far each is, and who is at work."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from projections.runtime.leases import WORKER_SEEN_SECONDS
from shared_kernel.clock import system_clock
from shared_kernel.database.pool import Pool
from shared_kernel.log.partitions import SHARDS

_HEADS = "SELECT tenant_id, position FROM log.tenant_head WHERE $1::uuid IS NULL OR tenant_id = $1"
_CHECKPOINTS = """
SELECT a.tenant_id, a.name, a.version, c.position, c.rows
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE $1::uuid IS NULL OR a.tenant_id = $1
"""
_PARKED = """
SELECT p.name, p.version, count(*) FILTER (WHERE p.state = 'dead') AS dead,
    count(*) FILTER (WHERE p.state = 'retrying') AS retrying
FROM projection.parked_key p JOIN read.active_build a USING (tenant_id, name, version, build)
WHERE $1::uuid IS NULL OR p.tenant_id = $1 GROUP BY p.name, p.version
"""
_BUILDING = """
SELECT DISTINCT name, version FROM projection.checkpoint
WHERE mode = 'building' AND ($1::uuid IS NULL OR tenant_id = $1)
"""
_OLDEST = """
SELECT min(e.recorded_at) FROM unnest($1::uuid[], $2::bigint[]) AS missing(tenant_id, position)
JOIN log.event e USING (tenant_id, position)
"""
_WORKERS = """
SELECT count(*) FROM projection.worker WHERE seen_at > clock_timestamp() - make_interval(secs => $1)
"""
_OWNED_SHARDS = "SELECT count(*) FROM projection.lease WHERE owner IS NOT NULL AND expires_at > clock_timestamp()"


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far one projection is, over all stores or in one.

    Attributes:
        state: `current`, `behind`, `rebuilding`, `degraded` (rows are parked) or `not_started`.
        tenants: how many stores it shows.
        position_sum, head_sum: positions are per store; only their sums compare.
        lag_seconds: the age of the oldest event it does not show yet.
        dead_letters: keys given up on; `retrying` ones are still being tried.
    """

    name: str
    version: int
    state: str
    tenants: int
    position_sum: int
    head_sum: int
    lag_events: int
    lag_seconds: float
    dead_letters: int
    retrying: int
    rows: int


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Who projects: workers seen lately, and how many of the shards they hold."""

    workers: int
    owned_shards: int
    shards: int = SHARDS


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    heads: dict[UUID, int]
    checkpoints: dict[tuple[str, int], dict[UUID, tuple[int, int]]]
    parked: dict[tuple[str, int], tuple[int, int]]
    building: frozenset[tuple[str, int]]


async def statuses(
    write_pool: Pool, read_pool: Pool, wanted: Sequence[tuple[str, int]], *, tenant_id: UUID | None = None
) -> list[ProjectionStatus]:
    """The status of each wanted projection.

    Args:
        write_pool, read_pool: of the operator's role.
        wanted: names and versions, as this release has them.
        tenant_id: one store only.
    """
    # Checkpoints before heads: a projection never seems to be ahead of its log.
    checkpoints: dict[tuple[str, int], dict[UUID, tuple[int, int]]] = {}
    for row in await read_pool.fetch(_CHECKPOINTS, tenant_id):
        by_tenant = checkpoints.setdefault((row["name"], row["version"]), {})
        by_tenant[row["tenant_id"]] = (row["position"], row["rows"])
    parked = await read_pool.fetch(_PARKED, tenant_id)
    building = await read_pool.fetch(_BUILDING, tenant_id)
    heads = await write_pool.fetch(_HEADS, tenant_id)
    facts = _Facts(
        heads={row["tenant_id"]: row["position"] for row in heads},
        checkpoints=checkpoints,
        parked={(row["name"], row["version"]): (row["dead"], row["retrying"]) for row in parked},
        building=frozenset((row["name"], row["version"]) for row in building),
    )
    return [await _status(write_pool, facts, name, version) for name, version in wanted]


async def work(read_pool: Pool) -> Work:
    """Who is projecting now; `read_pool` is of the operator's role."""
    return Work(
        workers=await read_pool.fetchval(_WORKERS, WORKER_SEEN_SECONDS),
        owned_shards=await read_pool.fetchval(_OWNED_SHARDS),
    )


async def _status(write_pool: Pool, facts: _Facts, name: str, version: int) -> ProjectionStatus:
    by_tenant = facts.checkpoints.get((name, version), {})
    missing = {
        tenant: by_tenant.get(tenant, (0, 0))[0] + 1
        for tenant, head in facts.heads.items()
        if by_tenant.get(tenant, (0, 0))[0] < head
    }
    lag_events = sum(facts.heads[tenant] - first + 1 for tenant, first in missing.items())
    dead, retrying = facts.parked.get((name, version), (0, 0))
    state = "behind" if lag_events else "current"
    if facts.heads and not by_tenant:
        state = "not_started"
    if dead or retrying:
        state = "degraded"
    if (name, version) in facts.building:
        state = "rebuilding"
    oldest = await write_pool.fetchval(_OLDEST, list(missing), list(missing.values())) if missing else None
    return ProjectionStatus(
        name=name,
        version=version,
        state=state,
        tenants=len(by_tenant),
        position_sum=sum(position for position, _ in by_tenant.values()),
        head_sum=sum(facts.heads.values()),
        lag_events=lag_events,
        lag_seconds=_age_seconds(oldest),
        dead_letters=dead,
        retrying=retrying,
        rows=sum(rows for _, rows in by_tenant.values()),
    )


def _age_seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else round(max(0.0, (system_clock() - moment).total_seconds()), 3)
