"""One batch: many tenants' events into many projections' rows, with the checkpoints, in one transaction.

Redelivered, killed or run by a zombie it changes nothing: the lease row is locked and its epoch compared, the checkpoint rows
are locked and compared, and everything commits together or not at all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from uuid import UUID

import msgspec

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.errors import CheckpointMovedError
from projections.runtime.fault_points import FaultPoint, Reach
from projections.runtime.folding import WHOLE_TENANT, Changes, Failure, RowKey, Scan, TenantEvents, fold, scan
from projections.runtime.rows import REFUSALS, load_rows, save_rows, save_rows_carefully
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.views import encode_key

_PAST_ALL = 2**63


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to project a shard, as long as the epoch is the newest."""

    shard: int
    epoch: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be folded.

    Attributes:
        lease: under which.
        checkpoints: where each build is, as far as this worker knows; all of them move.
        events: runs of the tenants concerned, from the lowest checkpoint on.
    """

    lease: Lease
    checkpoints: tuple[Checkpoint, ...]
    events: Mapping[UUID, TenantEvents]


class CachedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as Redis shall hold it; `body` None marks a deletion."""

    name: str
    version: int
    build: int
    key: str
    position: int
    body: bytes | None


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Where the checkpoints are now, and which rows Redis should hear of, by tenant."""

    checkpoints: tuple[Checkpoint, ...]
    cached_rows: dict[UUID, list[CachedRow]]
    events: int


async def project(pool: Pool, catalog: Catalog, batch: Batch, reach: Reach) -> BatchResult:
    """Fold and commit a batch; where a row is unacceptable to the database, once more, finding and parking it.

    Raises:
        LeaseLostError, CheckpointMovedError: nothing was changed.
        asyncpg errors, TimeoutError, OSError: the database failed; nothing was changed.
    """
    try:
        return await _project(pool, catalog, batch, reach, careful=False)
    except REFUSALS:
        return await _project(pool, catalog, batch, reach, careful=True)


async def _project(pool: Pool, catalog: Catalog, batch: Batch, reach: Reach, *, careful: bool) -> BatchResult:
    async with transaction(pool, tenant_id=None) as connection:
        await leases.fence(connection, batch.lease.shard, batch.lease.epoch)
        await _lock_unmoved(connection, batch.checkpoints)
        work = _Work(connection=connection, batch=batch, reach=reach, careful=careful)
        await work.load_parked_keys()
        for (name, build), group in _by_build(batch.checkpoints).items():
            await work.fold_build(catalog.subject(name), build, group)
        await checkpoint_rows.move(connection, work.moved)
        reach(FaultPoint.CHECKPOINT)
        await connection.execute("COMMIT")
    reach(FaultPoint.COMMIT)
    events = sum(len(run.recorded) for run in batch.events.values())
    return BatchResult(checkpoints=tuple(work.moved), cached_rows=dict(work.cached_rows), events=events)


async def _lock_unmoved(connection: Connection, expected: Sequence[Checkpoint]) -> None:
    locked = {one.id: one for one in await checkpoint_rows.lock(connection, expected)}
    if any(locked.get(one.id) != one for one in expected):
        message = "a checkpoint has moved since it was loaded"
        raise CheckpointMovedError(message)


def _by_build(checkpoints: Sequence[Checkpoint]) -> dict[tuple[str, int], list[Checkpoint]]:
    groups: dict[tuple[str, int], list[Checkpoint]] = defaultdict(list)
    for one in checkpoints:
        groups[one.name, one.build].append(one)
    return groups


class _Work:
    """The state of one batch while its transaction is open."""

    def __init__(self, *, connection: Connection, batch: Batch, reach: Reach, careful: bool) -> None:
        self.connection = connection
        self.batch = batch
        self.reach = reach
        self.careful = careful
        self.moved: list[Checkpoint] = []
        self.cached_rows: dict[UUID, list[CachedRow]] = defaultdict(list)
        self.parked: set[tuple[UUID, str, int, str]] = set()

    async def load_parked_keys(self) -> None:
        """Which keys of these builds wait already."""
        with_parked = [one for one in self.batch.checkpoints if one.parked]
        if with_parked:
            keys = await parking.keys_of(self.connection, with_parked)
            self.parked = {(one.tenant_id, one.name, one.build, one.key) for one in keys}

    async def fold_build(self, subject: Subject, build: int, checkpoints: Sequence[Checkpoint]) -> None:
        """Take one build of one projection through the batch."""
        after = {one.tenant_id: one.position for one in checkpoints}
        scanned = scan(subject.projection, self.batch.events.values(), after)
        rows = await load_rows(self.connection, subject, build, scanned.touches) if scanned.touches else {}
        changes = fold(
            subject.projection,
            scanned.touches,
            rows,
            lambda tenant, key: bool(self.parked) and (tenant, subject.name, build, encode_key(key)) in self.parked,
        )
        self.reach(FaultPoint.FOLD)
        await self._save(subject, build, scanned, changes)
        self.reach(FaultPoint.UPSERT)
        await self._park(subject, build, scanned, changes)
        newly_parked = [*(key[0] for key in changes.failures), *self._newly_stopped(subject, build, scanned)]
        created = {key for key in changes.upserts if key not in rows}
        for one in checkpoints:
            self.moved.append(_moved(one, self.batch.events[one.tenant_id], scanned, changes, created, newly_parked))
            if one.mode == "live" and subject.projection.view.body is not None:
                self._note_cached_rows(subject, one, changes)

    async def _save(self, subject: Subject, build: int, scanned: Scan, changes: Changes) -> None:
        if not self.careful:
            await save_rows(self.connection, subject, build, changes)
            return
        first = {key: parts[0][1].position for key, parts in scanned.touches.items()}
        before = set(changes.failures)
        await save_rows_carefully(self.connection, subject, build, changes, first)
        for row_key in changes.failures.keys() - before:
            changes.queued[row_key] = [recorded.position for _, recorded in scanned.touches[row_key]]

    async def _park(self, subject: Subject, build: int, scanned: Scan, changes: Changes) -> None:
        failures = [*changes.failures.values(), *self._newly_stopped(subject, build, scanned).values()]
        if failures:
            await parking.park(self.connection, subject.name, subject.version, build, failures)
        waiting = [
            (tenant, encode_key(key), position)
            for (tenant, key), positions in changes.queued.items()
            for position in positions
        ]
        if waiting:
            await parking.queue(self.connection, subject.name, subject.version, build, waiting)

    def _newly_stopped(self, subject: Subject, build: int, scanned: Scan) -> dict[UUID, Failure]:
        return {
            tenant: failure
            for tenant, failure in scanned.stopped.items()
            if (tenant, subject.name, build, WHOLE_TENANT) not in self.parked
        }

    def _note_cached_rows(self, subject: Subject, checkpoint: Checkpoint, changes: Changes) -> None:
        noted = self.cached_rows[checkpoint.tenant_id]
        body = subject.projection.view.body
        assert body is not None
        for (tenant, key), stored in changes.upserts.items():
            if tenant == checkpoint.tenant_id:
                noted.append(
                    _cached(checkpoint, key_text=encode_key(key), position=stored.position, body=body(stored.row))
                )
        for (tenant, key), position in changes.deletes.items():
            if tenant == checkpoint.tenant_id:
                noted.append(_cached(checkpoint, key_text=encode_key(key), position=position, body=None))


def _cached(checkpoint: Checkpoint, *, key_text: str, position: int, body: bytes | None) -> CachedRow:
    return CachedRow(
        name=checkpoint.name,
        version=checkpoint.version,
        build=checkpoint.build,
        key=key_text,
        position=position,
        body=body,
    )


def _moved(
    checkpoint: Checkpoint,
    run: TenantEvents,
    scanned: Scan,
    changes: Changes,
    created: Set[RowKey],
    newly_parked: Sequence[UUID],
) -> Checkpoint:
    tenant = checkpoint.tenant_id
    stop = scanned.stopped.get(tenant)
    end = stop.position if stop is not None else _PAST_ALL
    reached = [one for one in run.recorded if checkpoint.position < one.position < end]
    upserted = sum(1 for key in changes.upserts if key[0] == tenant)
    deleted = sum(1 for key in changes.deletes if key[0] == tenant)
    parked = newly_parked.count(tenant)
    return msgspec.structs.replace(
        checkpoint,
        position=reached[-1].position if reached else checkpoint.position,
        as_of=reached[-1].recorded_at if reached else checkpoint.as_of,
        revision=checkpoint.revision + (1 if upserted or deleted or parked else 0),
        rows=checkpoint.rows + sum(1 for key in created if key[0] == tenant) - deleted,
        parked=checkpoint.parked + parked,
    )
