"""Trying a parked key again: its queued events in order, as far as they fold; of a long queue, the first part."""

import msgspec

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.batch import CachedRow, cached_rows
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.describing import describe
from projections.runtime.errors import REFUSALS, CheckpointMovedError
from projections.runtime.folding import (
    AnyStoredRow,
    Changes,
    RowKey,
    Touches,
    Unreadable,
    fold,
    key_name,
    no_changes,
    read_events,
    scan,
)
from projections.runtime.leases import Lease
from projections.runtime.parking import ParkedKey
from projections.runtime.rows import load_rows, save_rows
from projections.runtime.skipping import Skips
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.archive.errors import UNREADABLE
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

    def __init__(self, *, log_pool: Pool, read_pool: Pool, catalog: Catalog, lease: Lease, skips: Skips) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._lease = lease
        self._skips = skips

    async def attempt(self, parked: ParkedKey) -> Healed | None:
        """Try once, counting before trying, so that a crash counts; None where its first event failed again.

        Raises:
            LeaseLostError: another worker has the shard.
            CheckpointMovedError: the build is no more.
        """
        subject = self._catalog.subject(parked.name)
        stands, queue = await self._count(parked)
        try:
            stored = await self._fetch(parked, queue)
            runs = read_events(stored, self._skips.unread([stands]))
            scanned = scan(subject.projection, runs.values(), {parked.tenant_id: parked.first_position - 1})
            if scanned.stopped:
                await self._fail(parked, scanned.stopped[parked.tenant_id].error)
                return None
            if parked.key == WHOLE_TENANT:
                return await self._unblock(subject, parked, scanned.touches)
            touches = {key: parts for key, parts in scanned.touches.items() if key_name(key[1]) == parked.key}
            return await self._heal(subject, parked, touches, queue)
        except (*REFUSALS, *UNREADABLE) as error:
            await self._fail(parked, describe(error))
            return None

    async def _count(self, parked: ParkedKey) -> tuple[Checkpoint, _Queue]:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            stands = await self._lock(connection, parked)
            await parking.count_attempt(connection, parked)
            if parked.key == WHOLE_TENANT:
                queue = _Queue(positions=[parked.first_position], rest=None)
            else:
                positions = await parking.queued(connection, parked, limit=MAX_QUEUE_PART + 1)
                rest = positions.pop() if len(positions) > MAX_QUEUE_PART else None
                queue = _Queue(positions=positions, rest=rest)
            await connection.execute("COMMIT")
        return stands, queue

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
            folding = _QueueFolding(connection=connection, subject=subject, build=stands, touches=touches, rows=rows)
            reached = await folding.fold_as_far_as_possible(queue)
            if reached.stops_at == queue.positions[0]:
                await connection.execute("ROLLBACK")
                await self._fail(parked, reached.error)
                return None
            if reached.stops_at is None:
                await parking.release(connection, parked)
            else:
                await parking.advance(connection, parked, reached.stops_at)
            if reached.error:
                await parking.note_error(connection, parked, reached.error)
            created = sum(1 for key in reached.changes.upserts if key not in rows)
            released = reached.stops_at is None
            moved = await _move(connection, stands, reached.changes, created=created, released=released)
            await connection.execute("COMMIT")
        noted = cached_rows(moved.build_id, reached.changes) if moved.mode == "live" else []
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


class _Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far a queue went: what was saved, the first position that goes on waiting, and what it failed of."""

    changes: Changes
    stops_at: int | None
    error: str = ""


class _QueueFolding:
    """One key's queue in one transaction; what cannot be saved is taken back to a savepoint."""

    def __init__(
        self,
        *,
        connection: Connection,
        subject: Subject,
        build: Checkpoint,
        touches: Touches,
        rows: dict[RowKey, AnyStoredRow | Unreadable],
    ) -> None:
        self._connection = connection
        self._subject = subject
        self._build = build.build_id
        self._touches = touches
        self._rows = rows

    async def fold_as_far_as_possible(self, queue: _Queue) -> _Reached:
        """All of the queue; else up to the first event that cannot be folded, or after which the row is refused.

        A refused row does not say which event made it unacceptable: that one is found by halving.
        """
        changes, error = await self._try(queue.positions)
        if not error:
            return _Reached(changes=changes, stops_at=queue.rest)
        good, bad = 0, len(queue.positions)
        while bad - good > 1:
            middle = (good + bad) // 2
            _, found = await self._try(queue.positions[:middle], keep=False)
            good, bad, error = (good, middle, found) if found else (middle, bad, error)
        changes, _ = await self._try(queue.positions[:good])
        return _Reached(changes=changes, stops_at=queue.positions[good], error=error)

    async def _try(self, positions: list[int], *, keep: bool = True) -> tuple[Changes, str]:
        """What folding these comes to, saved where it can be and is to be kept; else why not."""
        wanted = frozenset(positions)
        touches = {
            key: kept
            for key, parts in self._touches.items()
            if (kept := [one for one in parts if one[1].position in wanted])
        }
        await self._connection.execute("SAVEPOINT queue")
        changes = fold(self._subject.projection, touches, self._rows, lambda _tenant, _key: False)
        error = next((one.error for one in changes.failures.values()), "")
        if not error:
            try:
                await save_rows(self._connection, self._subject, self._build, changes)
            except REFUSALS as refusal:
                error = describe(refusal)
        if error or not keep:
            await self._connection.execute("ROLLBACK TO SAVEPOINT queue")
        return changes, error


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
