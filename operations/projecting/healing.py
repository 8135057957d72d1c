"""Asking the projector to try a dead letter again, or to skip its first event, and what came of it."""

import asyncio
from typing import Literal
from uuid import UUID

import msgspec

from operations.errors import CommandFailed
from operations.projecting import following
from operations.projecting.dead_letters import DeadLetter, dead_letter, known_dead_letter
from shared_kernel.database.pool import Pool

_LOOK_SECONDS = 0.1
_UNSEEN_TIMEOUT_SECONDS = 60.0
"""A living projector looks for requests twice a second; one that has not taken it by now never will."""
_HEAL_SECONDS = 10.0
"""A skipped event's key goes on within a second; with a long queue behind it, part by part."""

_OPEN = """
SELECT requested_by FROM projection.request
WHERE kind IN ('retry', 'skip') AND state IN ('requested', 'running') AND options->>'dead_letter' = $1 LIMIT 1
"""
_FOLLOW = "SELECT state, error FROM projection.request WHERE id = $1"

Kind = Literal["retry", "skip"]


class Treated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a dead letter.

    Attributes:
        state: `healed`, or `waiting` at a later event.
        first_position: of that event; null when healed.
        waiting: events that wait.
    """

    id: UUID
    kind: Kind
    state: Literal["healed", "waiting"]
    first_position: int | None
    waiting: int


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with which dead letter, asked by whom and, for a skip, why."""

    kind: Kind
    letter_id: UUID
    asked_by: str
    why: str | None = None


async def ask(write_pool: Pool, read_pool: Pool, treatment: Treatment) -> UUID:
    """Record the request; its id. Pools are of the operator's role.

    Raises:
        CommandFailed: there is no such dead letter, it is not dead, or the same is asked already.
    """
    letter = await known_dead_letter(write_pool, read_pool, treatment.letter_id)
    if letter.state != "dead":
        raise CommandFailed(
            f"{letter.id} is not dead: it is tried by itself (attempt {letter.attempts + 1} of 5"
            f"{'' if letter.next_attempt_at is None else f' at {letter.next_attempt_at:%FT%TZ}'}); wait for that"
        )
    asked_by = await read_pool.fetchval(_OPEN, f"{letter.id}")
    if asked_by is not None:
        raise CommandFailed(f"{asked_by} has asked for {letter.id} already, and the projector has not answered yet")
    request = following.Request(
        kind=treatment.kind,
        name=letter.projection,
        version=letter.version,
        tenant_id=letter.tenant_id,
        requested_by=treatment.asked_by,
        options={"dead_letter": f"{letter.id}", "why": treatment.why},
    )
    return await following.ask(read_pool, request)


async def treat(write_pool: Pool, read_pool: Pool, treatment: Treatment) -> Treated:
    """Ask, and wait for what comes of it.

    Raises:
        CommandFailed: as `ask`; no projector took it; or the event failed again.
    """
    before = await known_dead_letter(write_pool, read_pool, treatment.letter_id)
    request_id = await ask(write_pool, read_pool, treatment)
    await _answered(read_pool, request_id)
    after = await _moved_on(write_pool, read_pool, before)
    return Treated(
        id=before.id,
        kind=treatment.kind,
        state="healed" if after is None else "waiting",
        first_position=None if after is None else after.first_position,
        waiting=0 if after is None else after.waiting,
    )


async def _answered(read_pool: Pool, request_id: UUID) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _UNSEEN_TIMEOUT_SECONDS
    while loop.time() < deadline:
        row = await read_pool.fetchrow(_FOLLOW, request_id)
        assert row is not None, "requests are never deleted"
        if row["state"] == "failed":
            raise CommandFailed(row["error"])
        if row["state"] == "done":
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise CommandFailed("no projector took the request yet; it stays asked for: `shelfwise doctor` says who is at work")


async def _moved_on(write_pool: Pool, read_pool: Pool, before: DeadLetter) -> DeadLetter | None:
    """Where it waits once it is not at the same event any more; None when healed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _HEAL_SECONDS
    while True:
        now = await dead_letter(write_pool, read_pool, before.id)
        if now is None or now.first_position != before.first_position or loop.time() > deadline:
            return now
        await asyncio.sleep(_LOOK_SECONDS)
