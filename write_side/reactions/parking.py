"""Parked keys: an event whose reaction failed waits with what follows it under its key, while everything else flows."""

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.identifiers import new_id
from write_side.reactions.checkpoints import Checkpoint

MAX_ATTEMPTS = 8
"""After this many, two minutes in all, a key is dead: only an operator's retry tries it again."""
_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 60.0
_ERROR_LENGTH = 2000


class ParkedKey(msgspec.Struct, frozen=True, kw_only=True):
    """One parked key of one reaction in one store."""

    reaction: str
    tenant_id: UUID
    key: UUID
    first_position: int
    attempts: int


_COLUMNS = "reaction, tenant_id, key, first_position, attempts"
_KEYS = "SELECT key FROM reaction.parked_key WHERE (reaction, tenant_id) = ($1, $2)"
_DUE = f"""
SELECT {_COLUMNS} FROM reaction.parked_key
WHERE reaction = ANY($1::text[]) AND tenant_id = ANY($2::uuid[])
    AND state = 'retrying' AND next_attempt_at <= clock_timestamp()
ORDER BY next_attempt_at LIMIT $3
"""  # noqa: S608 - a constant of this module
_PARK = """
INSERT INTO reaction.parked_key (id, reaction, tenant_id, key, state, first_position, attempts, error, next_attempt_at)
VALUES ($1, $2, $3, $4, 'retrying', $5, 1, $6, clock_timestamp() + make_interval(secs => $7))
"""
_QUEUE = """
INSERT INTO reaction.parked_event (reaction, tenant_id, key, position)
SELECT $1, $2, q.key, q.position FROM unnest($3::uuid[], $4::bigint[]) AS q(key, position) ON CONFLICT DO NOTHING
"""
_COUNT_ATTEMPT = """
UPDATE reaction.parked_key
SET attempts = attempts + 1, state = CASE WHEN attempts + 1 >= $4 THEN 'dead' ELSE 'retrying' END,
    next_attempt_at = clock_timestamp() + make_interval(secs => $5)
WHERE (reaction, tenant_id, key) = ($1, $2, $3)
"""
_SET_ERROR = "UPDATE reaction.parked_key SET error = $4 WHERE (reaction, tenant_id, key) = ($1, $2, $3)"
_LOCK = """
SELECT first_position FROM reaction.parked_key WHERE (reaction, tenant_id, key) = ($1, $2, $3) FOR UPDATE
"""
_NEXT = """
DELETE FROM reaction.parked_event WHERE (reaction, tenant_id, key, position) = ($1, $2, $3, (
    SELECT min(position) FROM reaction.parked_event WHERE (reaction, tenant_id, key) = ($1, $2, $3)
)) RETURNING position
"""
_ADVANCE = """
UPDATE reaction.parked_key
SET first_position = $4, attempts = 0, state = 'retrying', next_attempt_at = clock_timestamp()
WHERE (reaction, tenant_id, key) = ($1, $2, $3)
"""
_RELEASE = "DELETE FROM reaction.parked_key WHERE (reaction, tenant_id, key) = ($1, $2, $3)"


async def keys_of(connection: Connection, checkpoint: Checkpoint) -> set[UUID]:
    """The keys that wait."""
    if not checkpoint.parked:
        return set()
    rows = await connection.fetch(_KEYS, checkpoint.reaction, checkpoint.tenant_id)
    return {row["key"] for row in rows}


async def due(
    connection: Connection, reactions: Collection[str], tenants: Collection[UUID], *, limit: int
) -> list[ParkedKey]:
    """Keys whose next attempt is due, the longest-waiting first."""
    rows = await connection.fetch(_DUE, list(reactions), list(tenants), limit)
    return [ParkedKey(**dict(row)) for row in rows]


async def park(connection: Connection, checkpoint: Checkpoint, *, key: UUID, position: int, error: str) -> None:
    """Park a key that is not parked yet; the attempt that failed counts."""
    await connection.execute(
        _PARK,
        new_id(),
        checkpoint.reaction,
        checkpoint.tenant_id,
        key,
        position,
        error[:_ERROR_LENGTH],
        delay_seconds(1),
    )


async def queue(connection: Connection, checkpoint: Checkpoint, waiting: Sequence[tuple[UUID, int]]) -> None:
    """Note the events (key, position) that wait behind parked keys."""
    keys, positions = [key for key, _ in waiting], [position for _, position in waiting]
    await connection.execute(_QUEUE, checkpoint.reaction, checkpoint.tenant_id, keys, positions)


async def count_attempt(connection: Connection, parked: ParkedKey) -> None:
    """Count before trying, so that a crash counts too."""
    await connection.execute(_COUNT_ATTEMPT, *_id(parked), MAX_ATTEMPTS, delay_seconds(parked.attempts + 1))


async def note_error(connection: Connection, parked: ParkedKey, error: str) -> None:
    """What the last attempt died of."""
    await connection.execute(_SET_ERROR, *_id(parked), error[:_ERROR_LENGTH])


async def is_still_at(connection: Connection, parked: ParkedKey) -> bool:
    """Whether the key waits for this very event; it stays so until the transaction ends."""
    return bool(await connection.fetchval(_LOCK, *_id(parked)) == parked.first_position)


async def advance(connection: Connection, parked: ParkedKey) -> bool:
    """The event is dealt with; whether the key is healed, or the next that waits under it is due now."""
    following: int | None = await connection.fetchval(_NEXT, *_id(parked))
    if following is None:
        await connection.execute(_RELEASE, *_id(parked))
        return True
    await connection.execute(_ADVANCE, *_id(parked), following)
    return False


def delay_seconds(attempts: int) -> float:
    """1, 2, 4 … seconds, at most a minute."""
    return float(min(_MAX_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** (attempts - 1)))


def _id(parked: ParkedKey) -> tuple[str, UUID, UUID]:
    return (parked.reaction, parked.tenant_id, parked.key)
