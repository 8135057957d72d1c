"""Parked keys: a key whose fold failed waits, its later events queued in order, while everything else flows."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from projections.runtime.checkpoints import BuildId, Checkpoint, CheckpointId
from projections.runtime.describing import summary_of, traceback_of
from projections.runtime.folding import Failure
from shared_kernel.database.pool import Connection
from shared_kernel.identifiers import new_id
from shared_kernel.views import WHOLE_TENANT

MAX_ATTEMPTS = 5
"""After this many a key is dead: only an operator's retry tries it again."""
_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 60.0


class ParkedKey(msgspec.Struct, frozen=True, kw_only=True):
    """One parked key of one build."""

    tenant_id: UUID
    name: str
    version: int
    build: int
    key: str
    state: str
    first_position: int
    attempts: int

    @property
    def checkpoint_id(self) -> CheckpointId:
        """Of the build it is parked in."""
        return (self.tenant_id, self.name, self.version, self.build)

    @property
    def build_id(self) -> BuildId:
        """Where it is parked."""
        return BuildId(name=self.name, version=self.version, build=self.build)


_KEYS_OF = """
SELECT k.tenant_id, k.name, k.version, k.build, k.key, k.state, k.first_position, k.attempts
FROM projection.parked_key k
JOIN unnest($1::uuid[], $2::text[], $3::int[], $4::int[]) AS c(tenant_id, name, version, build)
    USING (tenant_id, name, version, build)
"""
_DUE = """
SELECT k.tenant_id, k.name, k.version, k.build, k.key, k.state, k.first_position, k.attempts
FROM projection.parked_key k
JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE k.tenant_id = ANY($1::uuid[]) AND k.state = 'retrying' AND k.next_attempt_at <= clock_timestamp()
    AND (k.name, k.version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
    AND k.name NOT IN (SELECT p.name FROM projection.pause p)
    AND (k.name, k.version, k.build) IN (SELECT b.name, b.version, b.build FROM projection.build b
        WHERE b.attached_at IS NOT NULL)
    AND (k.key = $5 OR c.position >= k.first_position)
ORDER BY k.next_attempt_at LIMIT $4
"""
_PARK = """
INSERT INTO projection.parked_key
    (id, tenant_id, name, version, build, key, state, first_position, attempts, error, traceback, next_attempt_at)
SELECT p.id, p.tenant_id, $1, $2, $3, p.key, 'retrying', p.position, $4, p.error, p.traceback,
    clock_timestamp() + make_interval(secs => $5)
FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::bigint[], $10::text[], $11::text[])
    AS p(id, tenant_id, key, position, error, traceback)
"""
_QUEUE = """
INSERT INTO projection.parked_event (tenant_id, name, version, build, key, position)
SELECT q.tenant_id, $1, $2, $3, q.key, q.position
FROM unnest($4::uuid[], $5::text[], $6::bigint[]) AS q(tenant_id, key, position)
ON CONFLICT DO NOTHING
"""
_COUNT_ATTEMPT = """
UPDATE projection.parked_key
SET attempts = attempts + 1, state = CASE WHEN attempts + 1 >= $6 THEN 'dead' ELSE 'retrying' END,
    next_attempt_at = clock_timestamp() + make_interval(secs => $7)
WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5)
"""
_SET_ERROR = """
UPDATE projection.parked_key SET error = $6, traceback = $7
WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5)
"""
_QUEUED = """
SELECT position FROM projection.parked_event
WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5) ORDER BY position LIMIT $6
"""
_UNQUEUE = """
DELETE FROM projection.parked_event
WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5) AND position < $6
"""
_ADVANCE = """
UPDATE projection.parked_key
SET first_position = $6, attempts = 0, state = 'retrying', next_attempt_at = clock_timestamp()
WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5)
"""
_FIND = """
SELECT tenant_id, name, version, build, key, state, first_position, attempts FROM projection.parked_key
WHERE id = $1 FOR UPDATE
"""
_SKIP = """
INSERT INTO projection.skipped (tenant_id, name, version, key, position, why, skipped_by)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""
_REVIVE = """
UPDATE projection.parked_key SET state = 'retrying', attempts = 0, next_attempt_at = clock_timestamp()
WHERE (tenant_id, name, version, key, first_position) = ($1, $2, $3, $4, $5)
"""
_RELEASE = """
DELETE FROM projection.parked_key WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5)
"""


async def keys_of(connection: Connection, checkpoints: Sequence[Checkpoint]) -> list[ParkedKey]:
    """The parked keys of these builds."""
    rows = await connection.fetch(
        _KEYS_OF,
        [one.tenant_id for one in checkpoints],
        [one.name for one in checkpoints],
        [one.version for one in checkpoints],
        [one.build for one in checkpoints],
    )
    return [ParkedKey(**dict(row)) for row in rows]


async def due(
    connection: Connection, tenants: Iterable[UUID], labels: Iterable[tuple[str, int]], *, limit: int
) -> list[ParkedKey]:
    """Keys of these projections (name, version) whose next attempt is due, the longest-waiting first.

    One that a crash has parked ahead of its event waits until that has come by: only then is there anything to try.
    """
    pairs = list(labels)
    rows = await connection.fetch(
        _DUE, list(tenants), [name for name, _ in pairs], [version for _, version in pairs], limit, WHOLE_TENANT
    )
    return [ParkedKey(**dict(row)) for row in rows]


async def park(connection: Connection, build: BuildId, failures: Sequence[Failure], *, attempts: int = 1) -> None:
    """Park keys that are not parked yet.

    Args:
        attempts: those that have failed already; they count.
    """
    await connection.execute(
        _PARK,
        build.name,
        build.version,
        build.build,
        attempts,
        delay_seconds(attempts),
        [new_id() for _ in failures],
        [one.tenant_id for one in failures],
        [one.key for one in failures],
        [one.position for one in failures],
        [summary_of(one.error) for one in failures],
        [traceback_of(one.error) for one in failures],
    )


async def queue(connection: Connection, build: BuildId, waiting: Sequence[tuple[UUID, str, int]]) -> None:
    """Note the positions (tenant, key, position) that wait behind parked keys."""
    tenants, keys, positions = zip(*waiting, strict=True)
    await connection.execute(_QUEUE, build.name, build.version, build.build, list(tenants), list(keys), list(positions))


async def count_attempt(connection: Connection, parked: ParkedKey) -> None:
    """Count before trying, so that a crash counts too."""
    await connection.execute(_COUNT_ATTEMPT, *_id(parked), MAX_ATTEMPTS, delay_seconds(parked.attempts + 1))


async def note_error(connection: Connection, parked: ParkedKey, error: str) -> None:
    """What the last attempt died of."""
    await connection.execute(_SET_ERROR, *_id(parked), summary_of(error), traceback_of(error))


async def queued(connection: Connection, parked: ParkedKey, *, limit: int) -> list[int]:
    """The first positions that wait behind the key, in order."""
    return [row["position"] for row in await connection.fetch(_QUEUED, *_id(parked), limit)]


async def advance(connection: Connection, parked: ParkedKey, first_position: int) -> None:
    """The key is healed up to this position, which goes on waiting with what follows it."""
    await connection.execute(_UNQUEUE, *_id(parked), first_position)
    await connection.execute(_ADVANCE, *_id(parked), first_position)


async def find(connection: Connection, parked_id: UUID) -> ParkedKey | None:
    """A parked key by the id that operators know it by, locked; None where it waits no more."""
    row = await connection.fetchrow(_FIND, parked_id)
    return None if row is None else ParkedKey(**dict(row))


async def skip(connection: Connection, parked: ParkedKey, *, why: str, skipped_by: str) -> None:
    """Its first event is left out for good, in every build; each that waits at it goes on with the next."""
    event = (parked.tenant_id, parked.name, parked.version, parked.key, parked.first_position)
    await connection.execute(_SKIP, *event, why, skipped_by)
    await connection.execute(_REVIVE, *event)


async def release(connection: Connection, parked: ParkedKey) -> None:
    """The key is healed: its queue goes with it."""
    await connection.execute(_RELEASE, *_id(parked))


def delay_seconds(attempts: int) -> float:
    """1, 2, 4 … seconds, at most a minute."""
    return float(min(_MAX_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** (attempts - 1)))


def _id(parked: ParkedKey) -> tuple[UUID, str, int, int, str]:
    return (parked.tenant_id, parked.name, parked.version, parked.build, parked.key)
