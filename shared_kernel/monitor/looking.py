"""One look at both databases: where each store's log ends, what each projection shows of it, and who is at work.

Heads first, checkpoints after: a lag is never told that is not there, and one that is there is told a moment later.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from shared_kernel.clock import Clock, system_clock
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import lent
from shared_kernel.monitor.reacting import SEEN_SECONDS, Labour, Reacting, look_at_reactions

LOOK_SECONDS: Final = 2.0
"""A database that has not answered by then is told as one that does not answer."""
_WORST: Final = 5
"""Stores named for each projection: who looks for one more asks for that store."""

_HEADS: Final = "SELECT tenant_id, position FROM log.heads($1)"
_RECORDED: Final = "SELECT tenant_id, position, recorded_at FROM log.recorded_at($1, $2)"
_VITALS: Final = "SELECT append_waiting, append_wait_seconds, unfinished_archives FROM log.vitals()"
_STANDING: Final = """
SELECT name, version, tenants, position_sum, rows, dead, retrying, is_building, is_paused FROM projection.standing($1)
"""
_BEHIND: Final = "SELECT name, version, tenant_id, position, head FROM projection.behind($1, $2, $3, $4)"
_SIZES: Final = {
    "write": "SELECT database_bytes, live_rows, dead_rows FROM log.sizes()",
    "read": "SELECT database_bytes, live_rows, dead_rows FROM projection.sizes()",
}
_LABOUR: Final = "SELECT workers, shards, held_shards FROM projection.labour($1)"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A projection as this release knows it; another release's is its own to watch."""

    name: str
    version: int


class StoreLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far one projection is behind in one store."""

    tenant_id: UUID
    position: int
    head: int
    lag_seconds: float

    @property
    def lag_events(self) -> int:
        """Events that it does not show yet."""
        return self.head - self.position


class ProjectionSight(msgspec.Struct, frozen=True, kw_only=True):
    """How far one projection is, over all stores or in the one that was asked about.

    Attributes:
        tenants: how many stores it shows.
        position_sum: positions are per store; only their sums compare.
        lag_seconds: the age of the oldest event it does not show; None where the log does not answer, as `lag_events`.
        dead_letters: keys given up on; `retrying` ones are still being tried.
        behind: every store in which it is behind, the worst first.
    """

    name: str
    version: int
    tenants: int
    position_sum: int
    rows: int
    dead_letters: int
    retrying: int
    is_building: bool
    is_paused: bool
    lag_events: int | None
    lag_seconds: float | None
    behind: tuple[StoreLag, ...]

    @property
    def worst(self) -> tuple[StoreLag, ...]:
        """The stores to name."""
        return self.behind[:_WORST]


class LogVitals(msgspec.Struct, frozen=True, kw_only=True):
    """How the log's own work goes.

    Attributes:
        append_waiting: commands that wait for a log's head, and for how long the first of them has.
        unfinished_archives: files whose events are still in the log minutes after they were written.
    """

    append_waiting: int
    append_wait_seconds: float
    unfinished_archives: int


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """What one database holds, `write` or `read`; dead rows are those that autovacuum has not removed yet."""

    database: str
    database_bytes: int
    live_rows: int
    dead_rows: int


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What one look saw; `head_sum`, `vitals` and `reacting` are None where nobody was told where the log is.

    `reacting` also where nobody asked for it.
    """

    projections: tuple[ProjectionSight, ...]
    head_sum: int | None
    labour: Labour
    vitals: LogVitals | None
    reacting: Reacting | None = None


async def look(
    write_pool: Pool | None,
    read_pool: Pool,
    versions: Sequence[Version],
    *,
    tenant_id: UUID | None = None,
    with_reactions: bool = False,
    within_seconds: float = LOOK_SECONDS,
    clock: Clock = system_clock,
) -> Sight:
    """Look once.

    Args:
        write_pool: of a role that may ask where logs end; without one nothing is said about lag.
        read_pool: of a role that may ask how far projections are.
        versions: what to look at.
        tenant_id: one store only.
        with_reactions: look at them too, which needs the log's database.
        within_seconds: for all of it.
        clock: for the age of events.

    Raises:
        DatabaseUnavailableError, TimeoutError, OSError, asyncpg errors: a database did not answer.
    """
    async with asyncio.timeout(within_seconds), lent(read_pool) as read:
        if write_pool is None:
            return await _seen_without_log(read, versions, tenant_id)
        async with lent(write_pool) as write:
            sight = await _seen(write, read, versions, tenant_id=tenant_id, clock=clock)
            if not with_reactions:
                return sight
            return msgspec.structs.replace(sight, reacting=await look_at_reactions(write))


async def look_at_sizes(write_pool: Pool | None, read_pool: Pool) -> tuple[Sizes, ...]:
    """How large either database is; dearer than `look`, and wanted less often.

    Raises:
        DatabaseUnavailableError, TimeoutError, OSError, asyncpg errors: a database did not answer.
    """
    found = []
    async with asyncio.timeout(LOOK_SECONDS):
        for database, pool in (("write", write_pool), ("read", read_pool)):
            if pool is not None:
                async with lent(pool) as connection:
                    found.append(Sizes(database=database, **dict(await connection.fetchrow(_SIZES[database]))))
    return tuple(found)


async def _seen(
    write: Connection, read: Connection, versions: Sequence[Version], *, tenant_id: UUID | None, clock: Clock
) -> Sight:
    heads = {row["tenant_id"]: row["position"] for row in await write.fetch(_HEADS, tenant_id)}
    behind = await read.fetch(
        _BEHIND, *_columns(versions), list(heads), list(heads.values())
    )  # a row a store and projection that is behind: none, most of the time
    recorded = await _recorded(write, {(row["tenant_id"], row["position"] + 1) for row in behind})
    now = clock()
    lags: dict[tuple[str, int], list[StoreLag]] = defaultdict(list)
    for row in behind:
        since = recorded.get((row["tenant_id"], row["position"] + 1), now)
        lag = StoreLag(
            tenant_id=row["tenant_id"],
            position=row["position"],
            head=row["head"],
            lag_seconds=round(max(0.0, (now - since).total_seconds()), 3),
        )
        lags[row["name"], row["version"]].append(lag)
    return Sight(
        projections=await _projections(read, versions, tenant_id, lags),
        head_sum=sum(heads.values()),
        labour=await _labour(read),
        vitals=LogVitals(**dict(await write.fetchrow(_VITALS))),
    )


async def _seen_without_log(read: Connection, versions: Sequence[Version], tenant_id: UUID | None) -> Sight:
    projections = await _projections(read, versions, tenant_id, None)
    return Sight(projections=projections, head_sum=None, labour=await _labour(read), vitals=None)


async def _recorded(write: Connection, wanted: set[tuple[UUID, int]]) -> dict[tuple[UUID, int], datetime]:
    """When the first event that somebody does not show was recorded, of each store and position."""
    if not wanted:
        return {}
    tenants, positions = zip(*wanted, strict=True)
    rows = await write.fetch(_RECORDED, list(tenants), list(positions))
    return {(row["tenant_id"], row["position"]): row["recorded_at"] for row in rows}


async def _projections(
    read: Connection,
    versions: Sequence[Version],
    tenant_id: UUID | None,
    lags: dict[tuple[str, int], list[StoreLag]] | None,
) -> tuple[ProjectionSight, ...]:
    standing = {(row["name"], row["version"]): row for row in await read.fetch(_STANDING, tenant_id)}
    found = []
    for one in versions:
        row = standing.get((one.name, one.version))
        behind = sorted((lags or {}).get((one.name, one.version), ()), key=lambda lag: -lag.lag_seconds)
        found.append(
            ProjectionSight(
                name=one.name,
                version=one.version,
                tenants=row["tenants"] if row else 0,
                position_sum=int(row["position_sum"]) if row else 0,
                rows=int(row["rows"]) if row else 0,
                dead_letters=row["dead"] if row else 0,
                retrying=row["retrying"] if row else 0,
                is_building=bool(row and row["is_building"]),
                is_paused=bool(row and row["is_paused"]),
                lag_events=None if lags is None else sum(lag.lag_events for lag in behind),
                lag_seconds=None if lags is None else max((lag.lag_seconds for lag in behind), default=0.0),
                behind=tuple(behind),
            )
        )
    return tuple(found)


async def _labour(read: Connection) -> Labour:
    return Labour(**dict(await read.fetchrow(_LABOUR, SEEN_SECONDS)))


def _columns(versions: Sequence[Version]) -> tuple[list[str], list[int]]:
    return [one.name for one in versions], [one.version for one in versions]
