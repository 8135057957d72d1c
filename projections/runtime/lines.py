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

log = structlog.get_logger()

_NOTE = """
INSERT INTO projection.release (line, rank, names, versions, seen_at) VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (line) DO UPDATE SET seen_at = excluded.seen_at
"""
_NEWER = """
SELECT names, versions FROM projection.release
WHERE seen_at > clock_timestamp() - make_interval(secs => $3) AND (rank, line) > ($1, $2)
"""


class LineChangedError(Exception):
    """Another release has come or gone: who projects what is shared out anew."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A set of versions; of two the one with more of them, added up, is the newer."""

    name: str
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
        rank=sum(version for _, version in labels),
        names=tuple(name for name, _ in labels),
        versions=tuple(version for _, version in labels),
    )


async def take_place(connection: Connection, line: Line, times: LeaseTimes) -> Place:
    """Say that this line is at work, and see which newer ones are."""
    await connection.execute(_NOTE, line.name, line.rank, list(line.names), list(line.versions))
    newer = await connection.fetch(_NEWER, line.rank, line.name, _SEEN_LEASES * times.lease_seconds)
    elsewhere = {label for row in newer for label in zip(row["names"], row["versions"], strict=True)}
    return Place(
        is_behind=bool(newer), elsewhere=frozenset(elsewhere & set(zip(line.names, line.versions, strict=True)))
    )


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
