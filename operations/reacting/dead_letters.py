"""Parked keys of reactions: all of them, one with its events; tried again, or its first event left out for good."""

import asyncio
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from operations.errors import CommandFailed
from operations.projecting.dead_letters import MAX_LISTED, WaitingEvent
from shared_kernel.database.pool import Pool

MAX_WHY_LENGTH = 1_000
_MAX_EVENTS = 20
_LOOK_SECONDS = 0.1
_UNSEEN_TIMEOUT_SECONDS = 60.0
"""A living worker looks for what is due twice a second; one that has not tried it by now never will."""
_TRIED = 2
"""An attempt is counted before it is made: at the second the first has failed."""

_COLUMNS = """
    p.id, p.reaction, t.slug AS tenant, p.tenant_id, p.key, p.state, p.attempts, p.first_position, p.error,
    p.parked_at AS since, CASE WHEN p.state = 'retrying' THEN p.next_attempt_at END AS next_attempt_at,
    1 + (SELECT count(*) FROM reaction.parked_event e
         WHERE (e.reaction, e.tenant_id, e.key) = (p.reaction, p.tenant_id, p.key)) AS waiting
"""
_LIST = f"""
SELECT {_COLUMNS} FROM reaction.parked_key p JOIN write.tenant t USING (tenant_id)
WHERE ($1::uuid IS NULL OR p.tenant_id = $1) AND ($2::text IS NULL OR p.reaction = $2)
ORDER BY p.parked_at, p.id LIMIT $3
"""  # noqa: S608 - a constant of this module
_ONE = f"SELECT {_COLUMNS} FROM reaction.parked_key p JOIN write.tenant t USING (tenant_id) WHERE p.id = $1"  # noqa: S608
_SKIPPED = "SELECT skipped_by, why, skipped_at FROM reaction.skipped_event WHERE parked_id = $1 ORDER BY position DESC"
_EVENTS = """
SELECT e.position, e.type, e.schema_version, e.stream_id, e.recorded_at, e.metadata->>'actor' AS actor,
       e.payload::text AS payload
FROM log.event e WHERE e.tenant_id = $1 AND e.position IN (
    SELECT $2::bigint UNION ALL SELECT q.position FROM reaction.parked_event q
    WHERE (q.reaction, q.tenant_id, q.key) = ($3, $1, $4)
) ORDER BY e.position LIMIT $5
"""
_RETRY = """
UPDATE reaction.parked_key SET state = 'retrying', attempts = 0, next_attempt_at = clock_timestamp()
WHERE id = $1 AND state = 'dead' RETURNING id
"""
_SKIP = "SELECT reaction.skip($1, $2, $3, $4)"

Kind: TypeAlias = Literal["retry", "skip"]


class ReactionDeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A key that waits.

    Attributes:
        tenant: the store's slug.
        key: what stays in order, such as an order's id.
        state: `dead` after its last attempt, `retrying` before.
        first_position: of the event that it waits at.
        waiting: how many events of the key wait, that one included.
        since: when it was parked.
        next_attempt_at: of one that is still being tried.
        error: what the last attempt died of, and where; never what was said.
    """

    id: UUID
    reaction: str
    tenant: str
    tenant_id: UUID
    key: UUID
    state: str
    attempts: int
    first_position: int
    waiting: int
    since: datetime
    next_attempt_at: datetime | None
    error: str


class ReactionDeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The longest-waiting first; `truncated` where there are more than are listed."""

    dead_letters: tuple[ReactionDeadLetter, ...]
    truncated: bool


class ShownReactionDeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One key and its first events."""

    dead_letter: ReactionDeadLetter
    events: tuple[WaitingEvent, ...]


class TreatedReaction(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        state: `healed`, `waiting` at a later event, or `retrying` where nobody has waited for the outcome.
        first_position: of the event it waits at; null when healed.
        waiting: events that wait.
    """

    id: UUID
    kind: Kind
    state: Literal["healed", "waiting", "retrying"]
    first_position: int | None
    waiting: int


async def list_parked(
    write_pool: Pool, *, tenant_id: UUID | None = None, reaction: str | None = None
) -> ReactionDeadLetters:
    """What waits; the pool is of the operator's role."""
    rows = await write_pool.fetch(_LIST, tenant_id, reaction, MAX_LISTED + 1)
    return ReactionDeadLetters(
        dead_letters=tuple(ReactionDeadLetter(**dict(row)) for row in rows[:MAX_LISTED]),
        truncated=len(rows) > MAX_LISTED,
    )


async def show_parked(write_pool: Pool, parked_id: UUID) -> ShownReactionDeadLetter:
    """One with what it takes to judge it.

    Raises:
        CommandFailed: there is none of this id.
    """
    letter = await _known(write_pool, parked_id)
    rows = await write_pool.fetch(
        _EVENTS, letter.tenant_id, letter.first_position, letter.reaction, letter.key, _MAX_EVENTS
    )
    return ShownReactionDeadLetter(dead_letter=letter, events=tuple(_event(row) for row in rows))


async def retry_parked(write_pool: Pool, parked_id: UUID) -> TreatedReaction:
    """Have the worker try it again, at once and from the first attempt.

    Raises:
        CommandFailed: there is none of this id, or it is not dead.
    """
    letter = await _dead(write_pool, parked_id)
    await write_pool.execute(_RETRY, parked_id)
    return _treated("retry", letter.first_position, parked_id, await _one(write_pool, parked_id))


async def outcome_of(write_pool: Pool, asked: TreatedReaction) -> TreatedReaction:
    """What came of the first event of a key that `retry_parked` has had tried again.

    Raises:
        CommandFailed: nobody tried it, or it failed again.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _UNSEEN_TIMEOUT_SECONDS
    while asked.state == "retrying":  # bounded by the deadline
        now = await _one(write_pool, asked.id)
        if now is None or now.first_position != asked.first_position:
            return _treated("retry", asked.first_position, asked.id, now)
        if now.attempts >= _TRIED:
            raise CommandFailed(f"{asked.id} failed again: {now.error}; it is tried some more by itself")
        if loop.time() > deadline:
            raise CommandFailed("no reacting worker has tried it yet; it stays asked for: see `shelfwise doctor`")
        await asyncio.sleep(_LOOK_SECONDS)
    return asked


async def skip_parked(write_pool: Pool, parked_id: UUID, *, skipped_by: str, why: str) -> TreatedReaction:
    """Leave its first event out for good; the next ones under the key are reacted to.

    Raises:
        CommandFailed: there is none of this id, it is not dead, or it has just moved on.
    """
    letter = await _dead(write_pool, parked_id)
    if not await write_pool.fetchval(_SKIP, parked_id, letter.first_position, skipped_by, why):
        raise CommandFailed(f"{parked_id} has just moved on; look at it again before anything is skipped")
    return _treated("skip", letter.first_position, parked_id, await _one(write_pool, parked_id))


async def _dead(write_pool: Pool, parked_id: UUID) -> ReactionDeadLetter:
    letter = await _known(write_pool, parked_id)
    if letter.state != "dead":
        raise CommandFailed(
            f"{letter.id} is not dead: it is tried by itself (after {letter.attempts} attempts"
            f"{'' if letter.next_attempt_at is None else f', at {letter.next_attempt_at:%FT%TZ}'}); wait for that"
        )
    return letter


async def _known(write_pool: Pool, parked_id: UUID) -> ReactionDeadLetter:
    letter = await _one(write_pool, parked_id)
    if letter is not None:
        return letter
    skipped = await write_pool.fetchrow(_SKIPPED, parked_id)
    if skipped is not None:
        raise CommandFailed(
            f"{parked_id} waits no more: skipped by {skipped['skipped_by']}, {skipped['skipped_at']:%FT%TZ}"
        )
    raise CommandFailed(
        f"no key {parked_id} waits: `shelfwise reactions dead-letters list` shows those that do; a healed one is gone"
    )


async def _one(write_pool: Pool, parked_id: UUID) -> ReactionDeadLetter | None:
    row = await write_pool.fetchrow(_ONE, parked_id)
    return None if row is None else ReactionDeadLetter(**dict(row))


def _treated(kind: Kind, was_at: int | None, parked_id: UUID, after: ReactionDeadLetter | None) -> TreatedReaction:
    if after is None:
        return TreatedReaction(id=parked_id, kind=kind, state="healed", first_position=None, waiting=0)
    return TreatedReaction(
        id=parked_id,
        kind=kind,
        state="retrying" if after.first_position == was_at else "waiting",
        first_position=after.first_position,
        waiting=after.waiting,
    )


def _event(row: asyncpg.Record) -> WaitingEvent:
    return WaitingEvent(**{**dict(row), "payload": msgspec.Raw(row["payload"].encode())})
