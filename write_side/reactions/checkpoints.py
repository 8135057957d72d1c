"""Up to where each reaction has followed each store: the rows every turn locks, compares and moves."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.subscription.failures import CheckpointMovedError


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One reaction's progress in one store.

    Attributes:
        position: of the last event reacted to, or passed by.
        parked: how many keys wait.
    """

    reaction: str
    tenant_id: UUID
    position: int
    parked: int


_LOCK_SUBSCRIPTIONS = "SELECT pg_advisory_xact_lock(hashtextextended('reaction.subscription', 0))"
# Committed together with the checkpoints: a store that has none afterwards was opened later, and begins at 0.
_SUBSCRIBE = """
WITH subscribed AS (
    INSERT INTO reaction.subscription (reaction, begins) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING reaction
)
INSERT INTO reaction.checkpoint (reaction, tenant_id, position)
SELECT reaction, h.tenant_id, CASE $2 WHEN 'head' THEN h.position ELSE 0 END
FROM subscribed CROSS JOIN log.tenant_head h
ON CONFLICT DO NOTHING
"""
_FOLLOWED = "UPDATE reaction.subscription SET followed_at = clock_timestamp() WHERE reaction = ANY($1::text[])"
_ENROL = """
INSERT INTO reaction.checkpoint (reaction, tenant_id, position)
SELECT r.reaction, t.tenant_id, 0 FROM unnest($1::text[]) AS r(reaction) CROSS JOIN unnest($2::uuid[]) AS t(tenant_id)
ON CONFLICT DO NOTHING
"""
_SELECT = """
SELECT reaction, tenant_id, position, parked FROM reaction.checkpoint
WHERE reaction = ANY($1::text[]) AND tenant_id = ANY($2::uuid[])
"""
_LOCK = """
SELECT position, parked FROM reaction.checkpoint WHERE (reaction, tenant_id) = ($1, $2) FOR NO KEY UPDATE
"""
_MOVE = """
UPDATE reaction.checkpoint SET position = $3, parked = $4, moved_at = clock_timestamp()
WHERE (reaction, tenant_id) = ($1, $2)
"""
# Only forwards, and only from where this worker left it: what was passed by holds nothing to react to.
_SKIP = """
UPDATE reaction.checkpoint c SET position = m.reached, moved_at = clock_timestamp()
FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) AS m(reaction, tenant_id, position, reached)
WHERE (c.reaction, c.tenant_id, c.position) = (m.reaction, m.tenant_id, m.position)
"""


async def subscribe(connection: Connection, reaction: str, begins: Literal["head", "beginning"]) -> None:
    """The first time a reaction is started, fix where it begins in every store that is there; then nothing."""
    await connection.execute(_LOCK_SUBSCRIPTIONS)
    await connection.execute(_SUBSCRIBE, reaction, begins)


async def say_followed(connection: Connection, reactions: Sequence[str]) -> None:
    """Somebody follows them, as of now."""
    await connection.execute(_FOLLOWED, sorted(reactions))


async def enrol(connection: Connection, reactions: Sequence[str], tenants: Sequence[UUID]) -> None:
    """Begin stores that a reaction has not met, at their first event."""
    await connection.execute(_ENROL, list(reactions), list(tenants))


async def load(connection: Connection, reactions: Sequence[str], tenants: Sequence[UUID]) -> list[Checkpoint]:
    """Every reaction's checkpoints in these stores."""
    rows = await connection.fetch(_SELECT, list(reactions), list(tenants))
    return [Checkpoint(**dict(row)) for row in rows]


async def lock_unmoved(connection: Connection, expected: Checkpoint) -> None:
    """Lock a checkpoint that is to move.

    Raises:
        CheckpointMovedError: it is not where the caller believes it.
    """
    row = await connection.fetchrow(_LOCK, expected.reaction, expected.tenant_id)
    if row is None or (row["position"], row["parked"]) != (expected.position, expected.parked):
        message = "a checkpoint has moved since it was loaded"
        raise CheckpointMovedError(message)


async def move(connection: Connection, moved: Checkpoint) -> None:
    """The checkpoint is there now. It must be locked."""
    await connection.execute(_MOVE, moved.reaction, moved.tenant_id, moved.position, moved.parked)


async def pass_by(connection: Connection, passed: Sequence[tuple[Checkpoint, int]]) -> None:
    """Move checkpoints over events that their reactions do not handle; one that has moved since stays."""
    ordered = sorted(passed, key=lambda one: (one[0].reaction, one[0].tenant_id))
    await connection.execute(
        _SKIP,
        [one.reaction for one, _ in ordered],
        [one.tenant_id for one, _ in ordered],
        [one.position for one, _ in ordered],
        [reached for _, reached in ordered],
    )
