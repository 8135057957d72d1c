"""Folding a tenant's log from the beginning, in memory, keeping one part of the keys at a time."""

import zlib
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Part
from projections.runtime.catalog import AnyProjection
from projections.runtime.folding import AnyStoredRow, RowKey, fold, read_events, scan
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.reader import Want, fetch
from shared_kernel.views import Key, encode_key

_EVENTS_PER_FETCH = 500


class KeyPart(msgspec.Struct, frozen=True, kw_only=True):
    """One of `of` parts of all keys, by hash: a build too large for memory is folded part by part."""

    number: int
    of: int

    def holds(self, key: Key) -> bool:
        """Whether the key belongs to this part."""
        return zlib.crc32(encode_key(key).encode()) % self.of == self.number


async def refold(
    pool: Pool, projection: AnyProjection, tenant_id: UUID, *, until: int, part: KeyPart
) -> dict[Key, AnyStoredRow]:
    """The rows of one part of the keys, as the log up to and including position `until` makes them.

    A key whose fold fails stays as it was before the failing event, as a parked one does.
    """
    rows: dict[RowKey, AnyStoredRow] = {}
    failed: set[RowKey] = set()
    after = 0
    while after < until:
        async with transaction(pool, tenant_id=None) as connection:
            want = Want(tenant_id=tenant_id, after=after, until=until, limit=_EVENTS_PER_FETCH)
            stored = await fetch(connection, [want])
        if not stored:
            break
        scanned = scan(projection, read_events(stored).values(), {tenant_id: after})
        touches = {row_key: parts for row_key, parts in scanned.touches.items() if part.holds(row_key[1])}
        _apply(projection, touches, rows, failed)
        if scanned.stopped:
            break
        after = stored[-1].position
    return {key: stored_row for (_, key), stored_row in rows.items()}


def _apply(
    projection: AnyProjection,
    touches: dict[RowKey, list[tuple[Part, AnyRecorded]]],
    rows: dict[RowKey, AnyStoredRow],
    failed: set[RowKey],
) -> None:
    changes = fold(projection, touches, rows, lambda tenant, key: (tenant, key) in failed)
    rows.update(changes.upserts)
    for row_key in changes.deletes:
        del rows[row_key]
    failed |= changes.failures.keys()
