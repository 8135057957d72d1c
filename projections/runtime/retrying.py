"""Trying a parked key again: all of its queued events in order, or none."""

import msgspec

from projections.fold import AnyRecorded, Part
from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.batch import CachedRow, Lease
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import WHOLE_TENANT, Changes, RowKey, fold, read_events, scan
from projections.runtime.parking import ParkedKey
from projections.runtime.rows import REFUSALS, load_rows, save_rows
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.reader import StoredEvent, fetch_positions
from shared_kernel.views import encode_key

_MAX_QUEUE = 100_000
"""Positions one attempt takes; a longer queue heals in several attempts only by an operator's rebuild of the tenant."""


class Healed(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is no longer parked: the moved checkpoint, and its row for Redis."""

    checkpoint: Checkpoint
    cached_rows: list[CachedRow]


class Retry:
    """The second and later attempts at parked keys of one shard."""

    def __init__(self, *, log_pool: Pool, read_pool: Pool, catalog: Catalog, lease: Lease) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._lease = lease

    async def attempt(self, parked: ParkedKey, checkpoint: Checkpoint) -> Healed | None:
        """Try once, counting before trying; None where it failed again.

        Raises:
            LeaseLostError: another worker has the shard.
        """
        subject = self._catalog.subject(parked.name)
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease.shard, self._lease.epoch)
            await parking.count_attempt(connection, parked)
            positions = await parking.queued(connection, parked) if parked.key != WHOLE_TENANT else []
            await connection.execute("COMMIT")
        if parked.key == WHOLE_TENANT:
            positions = [parked.first_position]
        stored = await self._fetch(parked, positions[:_MAX_QUEUE])
        try:
            return await self._heal(subject, parked, checkpoint, stored)
        except REFUSALS as error:
            await self._note(parked, f"{type(error).__name__}: {error}")
            return None

    async def _fetch(self, parked: ParkedKey, positions: list[int]) -> list[StoredEvent]:
        async with transaction(self._log_pool, tenant_id=None) as connection:
            return await fetch_positions(connection, parked.tenant_id, positions)

    async def _heal(
        self, subject: Subject, parked: ParkedKey, checkpoint: Checkpoint, stored: list[StoredEvent]
    ) -> Healed | None:
        runs = read_events(stored)
        scanned = scan(subject.projection, runs.values(), {parked.tenant_id: parked.first_position - 1})
        if scanned.stopped:
            await self._note(parked, scanned.stopped[parked.tenant_id].error)
            return None
        touches = {key: parts for key, parts in scanned.touches.items() if encode_key(key[1]) == parked.key}
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease.shard, self._lease.epoch)
            if parked.key == WHOLE_TENANT:
                changes, created = Changes(upserts={}, deletes={}, failures={}, queued={}), 0
            else:
                changes, created = await self._fold(connection, subject, parked, touches)
            if changes.failures:
                await connection.execute("ROLLBACK")
                await self._note(parked, next(iter(changes.failures.values())).error)
                return None
            moved = msgspec.structs.replace(
                checkpoint,
                revision=checkpoint.revision + 1,
                rows=checkpoint.rows + created - len(changes.deletes),
                parked=checkpoint.parked - 1,
            )
            await parking.release(connection, parked)
            await checkpoint_rows.move(connection, [moved])
            await connection.execute("COMMIT")
        return Healed(checkpoint=moved, cached_rows=_cached_rows(subject, checkpoint, changes))

    async def _fold(
        self,
        connection: Connection,
        subject: Subject,
        parked: ParkedKey,
        touches: dict[RowKey, list[tuple[Part, AnyRecorded]]],
    ) -> tuple[Changes, int]:
        rows = await load_rows(connection, subject, parked.build, touches)
        changes = fold(subject.projection, touches, rows, lambda _tenant, _key: False)
        if not changes.failures:
            await save_rows(connection, subject, parked.build, changes)
        return changes, sum(1 for key in changes.upserts if key not in rows)

    async def _note(self, parked: ParkedKey, error: str) -> None:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await parking.note_error(connection, parked, error)
            await connection.execute("COMMIT")


def _cached_rows(subject: Subject, checkpoint: Checkpoint, changes: Changes) -> list[CachedRow]:
    body = subject.projection.view.body
    if body is None or checkpoint.mode != "live":
        return []
    return [
        CachedRow(
            name=checkpoint.name,
            version=checkpoint.version,
            build=checkpoint.build,
            key=encode_key(key),
            position=stored.position,
            body=body(stored.row),
        )
        for (_, key), stored in changes.upserts.items()
    ]
