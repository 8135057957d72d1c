"""Parked keys as operators see them: all of them, one with its events and its row."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from operations.errors import CommandFailed
from projections.registry import UnknownProjectionError, projection_named
from projections.runtime.row_keys import select_as_json, split_key
from shared_kernel.database.pool import Pool
from shared_kernel.views import WHOLE_TENANT

MAX_LISTED = 1_000
"""More than anybody reads; what is wrong with a thousand rows is one thing."""
_MAX_EVENTS = 20

_COLUMNS = """
    p.id, p.name, p.version, p.build, p.tenant_id, p.key, p.state, p.attempts, p.first_position, p.error, p.traceback,
    p.parked_at AS since, CASE WHEN p.state = 'retrying' THEN p.next_attempt_at END AS next_attempt_at,
    a.build IS NOT NULL AS is_read, coalesce(e.waiting, 1) AS waiting
"""
_FROM = """
FROM projection.parked_key p
LEFT JOIN read.active_build a USING (tenant_id, name, version, build)
LEFT JOIN LATERAL (
    SELECT nullif(count(*), 0) AS waiting FROM projection.parked_event e
    WHERE (e.tenant_id, e.name, e.version, e.build, e.key) = (p.tenant_id, p.name, p.version, p.build, p.key)
) e ON true
"""
_LIST = f"""
SELECT {_COLUMNS} {_FROM}
WHERE ($1::uuid IS NULL OR p.tenant_id = $1) AND ($2::text IS NULL OR p.name = $2)
ORDER BY p.parked_at, p.id LIMIT $3
"""
_ONE = f"SELECT {_COLUMNS} {_FROM} WHERE p.id = $1"
_SLUGS = "SELECT tenant_id, slug FROM write.tenant WHERE tenant_id = ANY($1::uuid[])"
_QUEUE = """
SELECT position FROM projection.parked_event
WHERE (tenant_id, name, version, build, key) = ($1, $2, $3, $4, $5) ORDER BY position LIMIT $6
"""
_EVENTS = """
SELECT position, type, schema_version, stream_id, recorded_at, metadata->>'actor' AS actor, payload::text AS payload
FROM log.event WHERE tenant_id = $1 AND position = ANY($2::bigint[]) ORDER BY position
"""
_ASKED_BEFORE = """
SELECT kind, state, requested_by, coalesce(finished_at, requested_at) AS at FROM projection.request
WHERE kind IN ('retry', 'skip') AND options->>'dead_letter' = $1 ORDER BY requested_at DESC LIMIT 1
"""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A key that waits.

    Attributes:
        tenant: the store's slug.
        key: `*` where the whole store waits, because it cannot be said which rows an event touches.
        state: `dead` after its last attempt, `retrying` before.
        first_position: of the event that it waits at.
        waiting: how many events of the key wait, that one included.
        since: when it was parked.
        next_attempt_at: of one that is still being tried.
        is_read: whether readers see its build now.
    """

    id: UUID
    projection: str
    version: int
    build: int
    tenant: str
    tenant_id: UUID
    key: str
    state: str
    attempts: int
    first_position: int
    waiting: int
    since: datetime
    next_attempt_at: datetime | None
    is_read: bool
    error: str


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The longest-waiting first; `truncated` where there are more than are listed."""

    dead_letters: tuple[DeadLetter, ...]
    truncated: bool


class WaitingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a key waits at or behind."""

    position: int
    type: str
    schema_version: int
    stream_id: UUID
    recorded_at: datetime
    actor: str
    payload: msgspec.Raw


class ShownDeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One key: its first events, its row as readers see it, and where the fold failed.

    Attributes:
        row: the columns as they stand; null where there is no such row, or where the key does not name one.
        traceback: a line a frame, the outermost first.
    """

    dead_letter: DeadLetter
    events: tuple[WaitingEvent, ...]
    row: msgspec.Raw
    traceback: tuple[str, ...]


async def list_dead_letters(
    write_pool: Pool, read_pool: Pool, *, tenant_id: UUID | None = None, name: str | None = None
) -> DeadLetters:
    """What waits, in every build; both pools are of the operator's role."""
    rows = await read_pool.fetch(_LIST, tenant_id, name, MAX_LISTED + 1)
    slugs = await _slugs(write_pool, {row["tenant_id"] for row in rows})
    found = tuple(_dead_letter(row, slugs) for row in rows[:MAX_LISTED])
    return DeadLetters(dead_letters=found, truncated=len(rows) > MAX_LISTED)


async def dead_letter(write_pool: Pool, read_pool: Pool, letter_id: UUID) -> DeadLetter | None:
    """One by its id; None where it waits no more."""
    row = await read_pool.fetchrow(_ONE, letter_id)
    return None if row is None else _dead_letter(row, await _slugs(write_pool, {row["tenant_id"]}))


async def known_dead_letter(write_pool: Pool, read_pool: Pool, letter_id: UUID) -> DeadLetter:
    """One by its id.

    Raises:
        CommandFailed: there is none, with what became of it.
    """
    found = await dead_letter(write_pool, read_pool, letter_id)
    if found is not None:
        return found
    asked = await read_pool.fetchrow(_ASKED_BEFORE, f"{letter_id}")
    if asked is not None and asked["state"] == "done":
        done = "retried" if asked["kind"] == "retry" else "skipped"
        raise CommandFailed(f"{letter_id} waits no more: {done} by {asked['requested_by']} at {asked['at']:%FT%TZ}")
    raise CommandFailed(f"no dead letter {letter_id}: `shelfwise dead-letters list` shows those there are")


async def show_dead_letter(write_pool: Pool, read_pool: Pool, letter_id: UUID) -> ShownDeadLetter:
    """One with what it takes to judge it.

    Raises:
        CommandFailed: there is none of this id.
    """
    letter = await known_dead_letter(write_pool, read_pool, letter_id)
    parked = (letter.tenant_id, letter.projection, letter.version, letter.build, letter.key)
    positions = [row["position"] for row in await read_pool.fetch(_QUEUE, *parked, _MAX_EVENTS)]
    events = await write_pool.fetch(_EVENTS, letter.tenant_id, positions or [letter.first_position])
    record = await read_pool.fetchrow(_ONE, letter_id)
    return ShownDeadLetter(
        dead_letter=letter,
        events=tuple(_event(row) for row in events),
        row=await _row(read_pool, letter),
        traceback=tuple(record["traceback"].splitlines()) if record is not None else (),
    )


async def _row(read_pool: Pool, letter: DeadLetter) -> msgspec.Raw:
    nothing = msgspec.Raw(b"null")
    try:
        view = projection_named(letter.projection).view
    except UnknownProjectionError:  # of another release
        return nothing
    parts = split_key(letter.key)
    if letter.key == WHOLE_TENANT or view.version != letter.version or len(parts) != len(view.key):
        return nothing
    try:
        text = await read_pool.fetchval(select_as_json(view), letter.tenant_id, letter.build, *parts)
    except asyncpg.DataError:  # the name of a key too long to be kept whole
        return nothing
    return nothing if text is None else msgspec.Raw(text.encode())


async def _slugs(write_pool: Pool, tenants: set[UUID]) -> dict[UUID, str]:
    return {row["tenant_id"]: row["slug"] for row in await write_pool.fetch(_SLUGS, list(tenants))}


def _dead_letter(row: asyncpg.Record, slugs: dict[UUID, str]) -> DeadLetter:
    values = {name: row[name] for name in DeadLetter.__struct_fields__ if name not in {"projection", "tenant"}}
    return DeadLetter(projection=row["name"], tenant=slugs.get(row["tenant_id"], f"{row['tenant_id']}"), **values)


def _event(row: asyncpg.Record) -> WaitingEvent:
    return WaitingEvent(**{**dict(row), "payload": msgspec.Raw(row["payload"].encode())})
