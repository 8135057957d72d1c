"""From a row's key to the positions of the events that touched it: a row for each block of the log and projection.

A block is 64 positions, so where each key was touched fits a 64-bit mask; it is written once, whole, and never changed.
What has not filled a block yet is read from the log. The index is the log's and the version's, not a build's: rebuilds
leave it alone. See docs/decisions/0031.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

import asyncpg

from projections.fold import AnyRecorded
from projections.runtime.catalog import AnyProjection, Subject
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.archive.errors import LogBrokenError
from shared_kernel.log.reader import StoredEvent, Want, decode, fetch
from shared_kernel.views import WHOLE_TENANT, encode_key

BLOCK_EVENTS = 64
_BLOCKS_AT_A_TIME = 4
"""A transaction of some ten milliseconds, in which others have their turn again and again."""
_EVENTS_AT_A_TIME = 8
"""Live projecting shares this thread: read or looked into between two of its turns, half a millisecond's work."""
_SIGN_BIT = 1 << 63

_ENROL = """
INSERT INTO projection.touch_index (tenant_id, name, version, blocks)
SELECT $1, s.name, s.version, 0 FROM unnest($2::text[], $3::int[]) AS s(name, version) ON CONFLICT DO NOTHING
"""
_CLAIM = """
SELECT name, blocks FROM projection.touch_index
WHERE tenant_id = $1 AND (name, version) IN (SELECT * FROM unnest($2::text[], $3::int[])) AND blocks < $4
ORDER BY name FOR UPDATE
"""
_INSERT = """
INSERT INTO projection.touch_block (tenant_id, name, version, block, keys, masks)
VALUES ($1, $2, $3, $4, $5::bigint[], $6::bigint[]) ON CONFLICT DO NOTHING
"""
_ADVANCE = """
UPDATE projection.touch_index SET blocks = $4 WHERE tenant_id = $1
    AND (name, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
"""
_LOOK_UP = """
SELECT block, masks[array_position(keys, $4)] AS mask FROM projection.touch_block
WHERE keys @> ARRAY[$4::bigint] AND (tenant_id, name, version) = ($1, $2, $3)
"""
_INDEXED = "SELECT blocks FROM projection.touch_index WHERE (tenant_id, name, version) = ($1, $2, $3)"


def digest_of(tenant_id: UUID, subject: Subject, key: str) -> int:
    """What a key (as `encode_key` writes it) is found by, among all tenants' and projections'; fits a bigint."""
    text = f"{subject.label}|{key}".encode(errors="replace")
    return int.from_bytes(blake2b(text, digest_size=8, key=tenant_id.bytes).digest(), "big", signed=True)


async def catch_up(
    *, log_pool: Pool, read_pool: Pool, tenant_id: UUID, subjects: Sequence[Subject], until: int
) -> int | None:
    """Index some more whole blocks of a tenant's log; the position reached, None where none is lacking.

    Safe beside itself: a block is written and counted in one transaction, under the lock of its counters.

    Args:
        log_pool, read_pool: of the projector's role.
        tenant_id: whose log.
        subjects: as their authors wrote them: what is skipped is indexed like everything else.
        until: the log's last position that is wanted.
    """
    names, versions = [one.name for one in subjects], [one.version for one in subjects]
    async with transaction(read_pool, tenant_id=None) as connection:
        await connection.execute(_ENROL, tenant_id, names, versions)
        rows = await connection.fetch(_CLAIM, tenant_id, names, versions, until // BLOCK_EVENTS)
        if not rows:
            await connection.execute("COMMIT")
            return None
        first = min(row["blocks"] for row in rows)
        behind = {row["name"] for row in rows if row["blocks"] == first}
        chosen = [one for one in subjects if one.name in behind]
        last: int = min(until // BLOCK_EVENTS, first + _BLOCKS_AT_A_TIME)
        for number in range(first, last):
            stored = await _events_of(log_pool, tenant_id, number)
            await _insert(connection, tenant_id, chosen, number=number, stored=stored)
        await connection.execute(
            _ADVANCE, tenant_id, [one.name for one in chosen], [one.version for one in chosen], last
        )
        await connection.execute("COMMIT")
    return last * BLOCK_EVENTS


async def positions_of(connection: Connection, tenant_id: UUID, subject: Subject, key: str) -> tuple[list[int], int]:
    """Where events of whole blocks touched a key or could not be understood, in order; and how far the blocks go."""
    indexed = await connection.fetchval(_INDEXED, tenant_id, subject.name, subject.version) or 0
    found: set[int] = set()
    for wanted in (key, WHOLE_TENANT):
        digest = digest_of(tenant_id, subject, wanted)
        rows = await connection.fetch(_LOOK_UP, tenant_id, subject.name, subject.version, digest)
        found.update(position for row in rows for position in _positions(row))
    return sorted(found), indexed * BLOCK_EVENTS


def keys_touched(projection: AnyProjection, recorded: AnyRecorded | None) -> set[str]:
    """What an event touches, as `encode_key` writes it; `*` where it cannot be read or its rows cannot be told."""
    if recorded is None:
        return {WHOLE_TENANT}
    if type(recorded.event) not in projection.handles:
        return set()
    try:
        return {encode_key(key) for key in dict(projection.touches(recorded))}
    except Exception:  # noqa: BLE001 - accounted for: whoever explains a row is shown the event
        return {WHOLE_TENANT}


def legible(stored: StoredEvent) -> AnyRecorded | None:
    """The event; None where this release cannot read it."""
    try:
        return decode(stored)
    except Exception:  # noqa: BLE001 - accounted for: whoever explains a row is shown the event
        return None


async def _events_of(pool: Pool, tenant_id: UUID, number: int) -> list[StoredEvent]:
    after = number * BLOCK_EVENTS
    want = Want(tenant_id=tenant_id, after=after, until=after + BLOCK_EVENTS, limit=BLOCK_EVENTS)
    async with transaction(pool, tenant_id=None) as connection:
        stored = await fetch(connection, [want])
    if len(stored) < BLOCK_EVENTS:  # it ends before a gap; counted as indexed, the rest would never be found
        raise LogBrokenError(after + len(stored) + 1)
    return stored


async def _insert(
    connection: Connection, tenant_id: UUID, subjects: Sequence[Subject], *, number: int, stored: Sequence[StoredEvent]
) -> None:
    masks: dict[str, dict[str, int]] = {subject.name: defaultdict(int) for subject in subjects}
    for first in range(0, len(stored), _EVENTS_AT_A_TIME):
        for one in stored[first : first + _EVENTS_AT_A_TIME]:
            recorded = legible(one)
            for subject in subjects:
                for key in keys_touched(subject.projection, recorded):
                    masks[subject.name][key] |= 1 << (one.position - 1) % BLOCK_EVENTS
        await asyncio.sleep(0)
    rows: list[tuple[object, ...]] = []
    for subject in subjects:
        if its := masks[subject.name]:
            digests = [digest_of(tenant_id, subject, key) for key in its]
            bits = [mask - ((mask & _SIGN_BIT) << 1) for mask in its.values()]
            rows.append((tenant_id, subject.name, subject.version, number, digests, bits))
            await asyncio.sleep(0)
    await connection.executemany(_INSERT, rows)


def _positions(row: asyncpg.Record) -> list[int]:
    first = row["block"] * BLOCK_EVENTS + 1
    return [first + bit for bit in range(BLOCK_EVENTS) if row["mask"] >> bit & 1]
