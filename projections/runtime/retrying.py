"""Trying a parked key again: its queued events in order, all of them or, of a long queue, the first."""

import msgspec

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.batch import CachedRow, cached_rows
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.errors import REFUSALS, CheckpointMovedError
from projections.runtime.folding import (
    Changes,
    Touches,
    describe,
    fold,
    key_name,
    no_changes,
    read_events,
    scan,
)
from projections.runtime.leases import Lease
from projections.runtime.parking import ParkedKey
from projections.runtime.rows import load_rows, save_rows
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.reader import StoredEvent, fetch_positions
from shared_kernel.views import WHOLE_TENANT

MAX_QUEUE_PART = 2_000
"""Positions one attempt takes, so that its transaction stays short; the rest goes on waiting, in order."""


class Healed(msgspec.Struct, frozen=True, kw_only=True):
    """What a successful attempt came to: the moved checkpoint, and the key's row for Redis."""

    checkpoint: Checkpoint
    cached_rows: list[CachedRow]


class _Queue(msgspec.Struct, frozen=True, kw_only=True):
    """The positions of one attempt; `rest` is the first that this attempt leaves waiting."""

    positions: list[int]
    rest: int | None


class Retry:
    """The second and later attempts at parked keys of one shard."""

    def __init__(self, *, log_pool: Pool, read_pool: Pool, catalog: Catalog, lease: Lease) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._lease = lease

    async def attempt(self, parked: ParkedKey) -> Healed | None:
        """Try once, counting before trying, so that a crash counts; None where it failed again.

        Raises:
            LeaseLostError: another worker has the shard.
            CheckpointMovedError: the build is no more.
        """
        subject = self._catalog.subject(parked.name)
        queue = await self._count(parked)
        stored = await self._fetch(parked, queue)
        try:
            runs = read_events(stored)
            scanned = scan(subject.projection, runs.values(), {parked.tenant_id: parked.first_position - 1})
            if scanned.stopped:
                await self._fail(parked, scanned.stopped[parked.tenant_id].error)
                return None
            if parked.key == WHOLE_TENANT:
                return await self._unblock(subject, parked, scanned.touches)
            touches = {key: parts for key, parts in scanned.touches.items() if key_name(key[1]) == parked.key}
            return await self._heal(subject, parked, touches, queue)
        except REFUSALS as error:
            await self._fail(parked, describe(error))
            return None

    async def _count(self, parked: ParkedKey) -> _Queue:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease)
            await parking.count_attempt(connection, parked)
            if parked.key == WHOLE_TENANT:
                queue = _Queue(positions=[parked.first_position], rest=None)
            else:
                positions = await parking.queued(connection, parked, limit=MAX_QUEUE_PART + 1)
                rest = positions.pop() if len(positions) > MAX_QUEUE_PART else None
                queue = _Queue(positions=positions, rest=rest)
            await connection.execute("COMMIT")
        return queue

    async def _fetch(self, parked: ParkedKey, queue: _Queue) -> list[StoredEvent]:
        async with transaction(self._log_pool, tenant_id=None) as connection:
            return await fetch_positions(connection, parked.tenant_id, queue.positions)

    async def _fail(self, parked: ParkedKey, error: str) -> None:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await parking.note_error(connection, parked, error)
            await connection.execute("COMMIT")

    async def _unblock(self, subject: Subject, parked: ParkedKey, touches: Touches) -> Healed:
        """Let the tenant on, once folding the event has been seen not to end the process."""
        async with transaction(self._read_pool, tenant_id=None) as connection:
            stands = await self._lock(connection, parked)
            rows = await load_rows(connection, subject, stands.build_id, touches)
            fold(subject.projection, touches, rows, lambda _tenant, _key: False)
            await parking.release(connection, parked)
            moved = await _move(connection, stands, no_changes(), created=0, released=True)
            await connection.execute("COMMIT")
        return Healed(checkpoint=moved, cached_rows=[])

    async def _heal(self, subject: Subject, parked: ParkedKey, touches: Touches, queue: _Queue) -> Healed | None:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            stands = await self._lock(connection, parked)
            rows = await load_rows(connection, subject, stands.build_id, touches)
            changes = fold(subject.projection, touches, rows, lambda _tenant, _key: False)
            if changes.failures:
                await connection.execute("ROLLBACK")
                await self._fail(parked, next(iter(changes.failures.values())).error)
                return None
            await save_rows(connection, subject, stands.build_id, changes)
            if queue.rest is None:
                await parking.release(connection, parked)
            else:
                await parking.advance(connection, parked, queue.rest)
            created = sum(1 for key in changes.upserts if key not in rows)
            moved = await _move(connection, stands, changes, created=created, released=queue.rest is None)
            await connection.execute("COMMIT")
        noted = cached_rows(moved.build_id, changes) if moved.mode == "live" else []
        return Healed(checkpoint=moved, cached_rows=[row for _, row in noted])

    async def _lock(self, connection: Connection, parked: ParkedKey) -> Checkpoint:
        """The checkpoint as it stands: a rebuild moves it without telling whoever else has loaded it."""
        await leases.fence(connection, self._lease)
        build = parked.build_id
        stands = await checkpoint_rows.lock_one(connection, parked.tenant_id, build)
        if stands is None:
            message = "the build of a parked key is no more"
            raise CheckpointMovedError(message)
        return stands


async def _move(
    connection: Connection, stands: Checkpoint, changes: Changes, *, created: int, released: bool
) -> Checkpoint:
    moved = msgspec.structs.replace(
        stands,
        revision=stands.revision + 1,
        rows=stands.rows + created - len(changes.deletes),
        parked=stands.parked - (1 if released else 0),
    )
    await checkpoint_rows.move(connection, [moved])
    return moved
