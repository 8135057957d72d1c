"""What the two databases say about projections, as an operator sees it: how far each is, and who is at work."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec

from projections.runtime.leases import WORKER_SEEN_SECONDS
from shared_kernel.database.pool import Pool
from shared_kernel.log.partitions import SHARDS
from shared_kernel.monitor.looking import ProjectionSight, Sight, StoreLag, Version, look

_LABOUR = "SELECT workers, held_shards FROM projection.labour($1)"
_PROBES = """
SELECT worker_id, machine, probe_host, probe_port FROM projection.worker
WHERE probe_port IS NOT NULL AND seen_at > clock_timestamp() - make_interval(secs => $1) ORDER BY worker_id
"""
_PAUSED = "SELECT name FROM projection.pause"
_BUILDS = """
SELECT name, version,
    coalesce(array_agg(DISTINCT build ORDER BY build) FILTER (WHERE mode = 'live'), '{}') AS live,
    coalesce(array_agg(DISTINCT build ORDER BY build) FILTER (WHERE mode IN ('kept', 'returning')), '{}') AS kept
FROM projection.checkpoint WHERE $1::uuid IS NULL OR tenant_id = $1 GROUP BY name, version
"""
_STATUS_SECONDS = 20.0
"""A person waits for a slow database; a probe does not."""
PROBED_SECONDS = 15.0
"""A projector that was seen so lately and has not said goodbye should answer; one gone for longer has been replaced."""

Builds: TypeAlias = Mapping[tuple[str, int], tuple[tuple[int, ...], tuple[int, ...]]]
"""By name and version, those that are read and those that are kept."""


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far one projection is, over all stores or in one.

    Attributes:
        state: `current`, `behind`, `paused`, `rebuilding`, `degraded` (rows are parked) or `not_started`.
        builds: that stores read; several while they are being switched, or after one store's rebuild.
        kept: builds that a rollback would return to.
        tenants: how many stores it shows.
        position_sum, head_sum: positions are per store; only their sums compare.
        lag_seconds: the age of the oldest event it does not show yet.
        dead_letters: keys given up on; `retrying` ones are still being tried.
        worst: the stores in which it is furthest behind.
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
    builds: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    worst: tuple[StoreLag, ...] = ()


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Who projects: workers seen lately, and how many of the shards they hold."""

    workers: int
    owned_shards: int
    shards: int = SHARDS


class ProbeAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a projector says that it can be probed: `machine` is its own name for the one it runs on."""

    worker_id: UUID
    machine: str
    probe_host: str
    probe_port: int


async def statuses(
    write_pool: Pool, read_pool: Pool, wanted: Sequence[tuple[str, int]], *, tenant_id: UUID | None = None
) -> list[ProjectionStatus]:
    """The status of each wanted projection.

    Args:
        write_pool, read_pool: of the operator's role.
        wanted: names and versions, as this release has them.
        tenant_id: one store only.
    """
    versions = [Version(name=name, version=version) for name, version in wanted]
    sight = await look(write_pool, read_pool, versions, tenant_id=tenant_id, within_seconds=_STATUS_SECONDS)
    builds = await _builds(read_pool, tenant_id)
    paused = {row["name"] for row in await read_pool.fetch(_PAUSED)}
    return [_standing(_status(sight, one), builds, paused) for one in sight.projections]


async def work(read_pool: Pool) -> Work:
    """Who is projecting now; `read_pool` is of the operator's role."""
    row = await read_pool.fetchrow(_LABOUR, WORKER_SEEN_SECONDS)
    return Work(workers=row["workers"], owned_shards=row["held_shards"])


async def probes(read_pool: Pool) -> list[ProbeAddress]:
    """The probes of projectors that should answer; `read_pool` is of the operator's role."""
    return [ProbeAddress(**dict(row)) for row in await read_pool.fetch(_PROBES, PROBED_SECONDS)]


async def _builds(read_pool: Pool, tenant_id: UUID | None) -> Builds:
    rows = await read_pool.fetch(_BUILDS, tenant_id)
    return {(row["name"], row["version"]): (tuple(row["live"]), tuple(row["kept"])) for row in rows}


def _standing(status: ProjectionStatus, builds: Builds, paused: Collection[str]) -> ProjectionStatus:
    live, kept = builds.get((status.name, status.version), ((), ()))
    state = "paused" if status.name in paused else status.state
    return msgspec.structs.replace(status, builds=live, kept=kept, state=state)


def _status(sight: Sight, seen: ProjectionSight) -> ProjectionStatus:
    head_sum, lag_events, lag_seconds = sight.head_sum, seen.lag_events, seen.lag_seconds
    assert head_sum is not None, "an operator may ask the log"
    assert lag_events is not None
    assert lag_seconds is not None
    return ProjectionStatus(
        name=seen.name,
        version=seen.version,
        state=_state(seen, head_sum=head_sum),
        tenants=seen.tenants,
        position_sum=seen.position_sum,
        head_sum=head_sum,
        lag_events=lag_events,
        lag_seconds=lag_seconds,
        dead_letters=seen.dead_letters,
        retrying=seen.retrying,
        rows=seen.rows,
        worst=seen.worst,
    )


def _state(seen: ProjectionSight, *, head_sum: int) -> str:
    if seen.is_building:
        return "rebuilding"
    if seen.dead_letters or seen.retrying:
        return "degraded"
    if head_sum and not seen.tenants:
        return "not_started"
    return "behind" if seen.behind else "current"
