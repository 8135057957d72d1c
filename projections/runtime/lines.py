"""Releases side by side: workers that run the same versions are a line, and one line is the newest.

The newest holds the shards' leases, projects all it has and writes Redis. A line behind it has leases of its own and
projects only what the newest does not have, into PostgreSQL alone; so every version that runs goes on, and each is
projected by one. When lines come or go, a worker starts over in its new place.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

import msgspec
import structlog

from projections.runtime.catalog import AnyProjection
from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.leases import LeaseTimes
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.subscription.stopping import heed_cancellation

_SEEN_LEASES = 2.0
"""A line of which no worker was seen for as many leases is no more: a restart is shorter."""

_STEP = 1 << 20
"""Between two ranks, so that there is room for a line that belongs between."""

log = structlog.get_logger()

_SEEN = "UPDATE projection.release SET seen_at = clock_timestamp() WHERE line = $1 RETURNING rank"
_KNOWN = "SELECT rank, names, versions FROM projection.release"
# Lines that have never run take their places one after the other: two that do not see each other would get the same.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtextextended('projection.release', 0))"
# Workers of one line may come at once: the first says where it stands.
_NOTE = """
INSERT INTO projection.release (line, rank, names, versions, seen_at) VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (line) DO UPDATE SET seen_at = excluded.seen_at RETURNING rank
"""
_NEWER = """
SELECT names, versions FROM projection.release
WHERE seen_at > clock_timestamp() - make_interval(secs => $3) AND (rank, line) > ($1, $2)
"""


class LineChangedError(Exception):
    """Another release has come or gone: who projects what is shared out anew."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A set of versions."""

    name: str
    names: tuple[str, ...]
    versions: tuple[int, ...]


class RankedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that has run before; of two the one with the higher rank is the newer."""

    rank: int
    names: tuple[str, ...]
    versions: tuple[int, ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a line stands.

    Attributes:
        is_behind: a newer one is at work.
        elsewhere: names and versions that newer ones project.
    """

    is_behind: bool
    elsewhere: frozenset[tuple[str, int]]

    def own(self, projections: Sequence[AnyProjection]) -> list[AnyProjection]:
        """What is left for this line."""
        return [one for one in projections if (one.view.name, one.view.version) not in self.elsewhere]


def line_of(projections: Sequence[AnyProjection]) -> Line:
    """The line of workers that run these."""
    labels = sorted((one.view.name, one.view.version) for one in projections)
    return Line(
        name=sha256(repr(labels).encode()).hexdigest()[:16],
        names=tuple(name for name, _ in labels),
        versions=tuple(version for _, version in labels),
    )


def rank_of(line: Line, known: Sequence[RankedLine]) -> int:
    """Where a line that has never run stands among those that have.

    Below every line that has a projection of it in a later version and none in an earlier one: it is rolled back to.
    Above all others: where versions cannot be compared (two branches, one projection less), the newer comes later.
    """
    later = [one.rank for one in known if _is_later(one, line)]
    if not later:
        return max((one.rank for one in known), default=0) + _STEP
    above = min(later)
    below = max((one.rank for one in known if one.rank < above), default=above - 2 * _STEP)
    return (below + above) // 2


def _is_later(one: RankedLine, line: Line) -> bool:
    own = dict(zip(line.names, line.versions, strict=True))
    pairs = [(version, own[name]) for name, version in zip(one.names, one.versions, strict=True) if name in own]
    return any(its > ours for its, ours in pairs) and all(its >= ours for its, ours in pairs)


async def take_place(connection: Connection, line: Line, times: LeaseTimes) -> Place:
    """Say that this line is at work, and see which newer ones are."""
    rank = await connection.fetchval(_SEEN, line.name)
    if rank is None:
        rank = await _first_rank(connection, line)
    newer = await connection.fetch(_NEWER, rank, line.name, _SEEN_LEASES * times.lease_seconds)
    elsewhere = {label for row in newer for label in zip(row["names"], row["versions"], strict=True)}
    return Place(
        is_behind=bool(newer), elsewhere=frozenset(elsewhere & set(zip(line.names, line.versions, strict=True)))
    )


async def _first_rank(connection: Connection, line: Line) -> int:
    async with connection.transaction():
        await connection.execute(_TAKE_TURNS)
        known = [RankedLine(**dict(row)) for row in await connection.fetch(_KNOWN)]
        names, versions = list(line.names), list(line.versions)
        rank: int = await connection.fetchval(_NOTE, line.name, rank_of(line, known), names, versions)
        return rank


async def keep_place(pool: Pool, line: Line, place: Place, times: LeaseTimes) -> None:
    """Go on saying so, until cancelled.

    Raises:
        LineChangedError: the place is another now.
    """
    while True:
        heed_cancellation()
        await asyncio.sleep(times.beat_seconds)
        try:
            async with pool.acquire() as connection:
                now = await take_place(connection, line, times)
        except DATABASE_FAILURES as error:
            log.warning("place_not_looked_at", error=type(error).__name__)
            continue
        if now != place:
            log.info("releases_changed", is_behind=now.is_behind, elsewhere=len(now.elsewhere))
            raise LineChangedError
