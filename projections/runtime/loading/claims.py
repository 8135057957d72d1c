"""Who loads what: a loader claims a tenant's part of one or more builds, renews the claim, and writes under it.

A loader that dies leaves a claim that runs out; one that was frozen finds its claim gone and writes nothing. What is
written for a build, the checkpoint and the end of the claim are one transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from projections.runtime.catalog import Catalog
from projections.runtime.key_parts import KeyPart
from shared_kernel.database.pool import Connection

CLAIM_SECONDS = 10.0
"""How long what a dead loader was at stands still; a live one renews ten times in it."""
MAX_ATTEMPTS = 3
"""What was claimed so often and never written is folded by ordinary batches, which find out what kills."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be loaded of one tenant into one build.

    Attributes:
        until, as_of: up to where, once another part of the same tenant has been loaded.
        attempts: how often it was claimed, this time included.
        rate: of the request, in events a second; 0 for as fast as it goes.
    """

    tenant_id: UUID
    name: str
    version: int
    build: int
    part: int
    parts: int
    until: int | None
    as_of: datetime | None
    attempts: int
    request_id: UUID
    rate: int

    @property
    def key_part(self) -> KeyPart:
        """Which of the tenant's keys."""
        return KeyPart(number=self.part, of=self.parts)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where a log is folded, and when that was recorded."""

    position: int
    as_of: datetime | None


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """How many builds the claim still holds, how many claims there are, and what grows with every live batch."""

    held: int
    claims: int
    live_revisions: int


_WANTED = """
(l.name, l.version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
    AND l.claimed_until < clock_timestamp() AND l.name NOT IN (SELECT p.name FROM projection.pause p)
"""
# What is locked is being written, however long that takes: nobody need be started for it.
_WAITING = f"SELECT 1 FROM projection.load l WHERE {_WANTED} LIMIT 1 FOR KEY SHARE SKIP LOCKED"  # noqa: S608 - the same
# The longest first, so that at the end nobody waits for one who has just begun a long one.
_CLAIM = f"""
WITH picked AS (
    SELECT l.tenant_id, l.part, l.parts FROM projection.load l
    WHERE {_WANTED} ORDER BY l.attempts, l.size DESC, l.tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE projection.load l
    SET claim = $3, claimed_until = clock_timestamp() + make_interval(secs => $4), attempts = l.attempts + 1
    FROM picked p WHERE (l.tenant_id, l.part, l.parts) = (p.tenant_id, p.part, p.parts) AND {_WANTED}
    RETURNING l.tenant_id, l.name, l.version, l.build, l.part, l.parts, l.until, l.as_of, l.attempts
)
SELECT c.tenant_id, c.name, c.version, c.build, c.part, c.parts, c.until, c.as_of, c.attempts,
    r.id AS request_id, coalesce((r.options->>'rate')::int, 0) AS rate
FROM claimed c JOIN projection.request r
    ON (r.kind, r.state, r.name, r.version, r.to_build) = ('rebuild', 'running', c.name, c.version, c.build)
"""  # noqa: S608 - a constant of this module
_LIVE_REVISIONS = "SELECT coalesce(sum(revision), 0)::bigint FROM projection.checkpoint WHERE mode = 'live'"
_RENEW = f"""
WITH held AS (
    UPDATE projection.load SET claimed_until = clock_timestamp() + make_interval(secs => $2)
    WHERE claim = $1 RETURNING 1
), counted AS (UPDATE projection.request SET events = events + $4 WHERE id = ANY($3::uuid[]))
SELECT (SELECT count(*) FROM held) AS held,
    (SELECT count(DISTINCT claim) FROM projection.load WHERE claimed_until > clock_timestamp()) AS claims,
    ({_LIVE_REVISIONS}) AS live_revisions
"""  # noqa: S608 - a constant of this module
_HOLDS = """
SELECT 1 FROM projection.load
WHERE claim = $1 AND (tenant_id, name, version, build, part, parts) = ($2, $3, $4, $5, $6, $7) FOR UPDATE
"""
# Locked without waiting, and as no one may be who is only asked whether it waits: nobody takes the next build, or is
# started for it, while this one is written, however long that takes.
_HOLD_ON = """
WITH its AS (
    SELECT tenant_id, name, version, build, part, parts FROM projection.load WHERE claim = $1 FOR UPDATE SKIP LOCKED
)
UPDATE projection.load l SET claimed_until = clock_timestamp() + make_interval(secs => $2) FROM its i
WHERE (l.tenant_id, l.name, l.version, l.build, l.part, l.parts)
    = (i.tenant_id, i.name, i.version, i.build, i.part, i.parts)
"""
_END = """
DELETE FROM projection.load WHERE (tenant_id, name, version, build, part, parts) = ($1, $2, $3, $4, $5, $6)
"""
_ADD = """
INSERT INTO projection.load (tenant_id, name, version, build, part, parts, size, until, as_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)
"""
_MOVE = """
UPDATE projection.checkpoint c
SET rows = c.rows + $5, parked = c.parked + $6, revision = c.revision + 1,
    position = CASE WHEN l.is_left THEN c.position ELSE $7 END, as_of = CASE WHEN l.is_left THEN c.as_of ELSE $8 END
FROM (SELECT EXISTS (SELECT FROM projection.load
                     WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)) AS is_left) l
WHERE (c.tenant_id, c.name, c.version, c.build) = ($1, $2, $3, $4)
"""
_SURRENDER_LOADS = "DELETE FROM projection.load WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)"
_SURRENDER_PARKED = "DELETE FROM projection.parked_key WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)"
_RESET = """
UPDATE projection.checkpoint SET rows = 0, parked = 0, position = 0, as_of = NULL
WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4)
"""


async def is_waiting(connection: Connection, catalog: Catalog) -> bool:
    """Whether there is something that nobody loads."""
    return await connection.fetchval(_WAITING, *_labels(catalog)) is not None


async def claim(connection: Connection, catalog: Catalog, claim_id: UUID) -> list[Load]:
    """The same part of one tenant, for every build that waits for it; nothing where nothing waits."""
    rows = await connection.fetch(_CLAIM, *_labels(catalog), claim_id, CLAIM_SECONDS)
    return [Load(**dict(row)) for row in rows]


async def renew(connection: Connection, claim_id: UUID, requests: Sequence[UUID], *, events: int) -> Renewed:
    """Hold on to what is claimed, and count what was folded."""
    row = await connection.fetchrow(_RENEW, claim_id, CLAIM_SECONDS, list(requests), events)
    return Renewed(**dict(row))


async def live_revisions(connection: Connection) -> int:
    """What grows with every live batch."""
    found: int = await connection.fetchval(_LIVE_REVISIONS)
    return found


async def holds(connection: Connection, claim_id: UUID, load: Load) -> bool:
    """Whether the claim still stands; if so, nobody else has it until the transaction ends."""
    return await connection.fetchval(_HOLDS, claim_id, *_id(load), load.part, load.parts) is not None


async def hold_on(connection: Connection, claim_id: UUID) -> None:
    """Nobody else has any of the claim until the transaction ends, nor for as long as a claim lasts after this."""
    await connection.execute(_HOLD_ON, claim_id, CLAIM_SECONDS)


async def finish(connection: Connection, load: Load) -> None:
    """It is loaded."""
    await connection.execute(_END, *_id(load), load.part, load.parts)


async def add(connection: Connection, load: Load, part: KeyPart, *, end: End) -> None:
    """Another part of the same tenant is to be loaded, up to the same position."""
    await connection.execute(_ADD, *_id(load), part.number, part.of, end.position, end.as_of)


async def move(connection: Connection, load: Load, end: End, *, rows: int, parked: int) -> None:
    """Count what was written; once no part is left the checkpoint is where all of them were folded up to."""
    await connection.execute(_MOVE, *_id(load), rows, parked, end.position, end.as_of)


async def surrender(connection: Connection, load: Load) -> None:
    """Leave a tenant's build to ordinary batches, from the first event on; its rows are the caller's to delete."""
    await connection.execute(_SURRENDER_LOADS, *_id(load))
    await connection.execute(_SURRENDER_PARKED, *_id(load))
    await connection.execute(_RESET, *_id(load))


def _id(load: Load) -> tuple[UUID, str, int, int]:
    return (load.tenant_id, load.name, load.version, load.build)


def _labels(catalog: Catalog) -> tuple[list[str], list[int]]:
    return [subject.name for subject in catalog.subjects], [subject.version for subject in catalog.subjects]
