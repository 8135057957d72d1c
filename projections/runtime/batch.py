"""One batch: many tenants' events into many projections' rows, with the checkpoints, in one transaction.

Redelivered, killed or run by a zombie it changes nothing: the lease row is locked and its epoch compared, the
checkpoint rows are locked and compared, and everything commits together or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import BuildId, Checkpoint, CheckpointId
from projections.runtime.errors import REFUSALS
from projections.runtime.fault_points import FaultPoint, Reach
from projections.runtime.folding import Changes, Failure, RowKey, Scan, TenantEvents, fold, key_name, scan
from projections.runtime.leases import Lease
from projections.runtime.rows import load_rows, save_acceptable_rows, save_rows
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.views import WHOLE_TENANT, Key, encode_key


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

    build: BuildId
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
        asyncpg errors, TimeoutError, OSError: the database failed; nothing was changed unless it was the commit.
    """
    try:
        return await _project(pool, catalog, batch, reach, halving=False)
    except REFUSALS:
        return await _project(pool, catalog, batch, reach, halving=True)


async def _project(pool: Pool, catalog: Catalog, batch: Batch, reach: Reach, *, halving: bool) -> BatchResult:
    async with transaction(pool, tenant_id=None) as connection:
        await leases.fence(connection, batch.lease)
        await checkpoint_rows.lock_unmoved(connection, batch.checkpoints)
        work = _Work(connection=connection, batch=batch, reach=reach, halving=halving)
        await work.load_parked_keys()
        for build, group in _by_build(batch.checkpoints).items():
            await work.fold_build(catalog.subject(build.name), build, group)
        await checkpoint_rows.move(connection, work.moved)
        reach(FaultPoint.CHECKPOINT)
        await connection.execute("COMMIT")
    reach(FaultPoint.COMMIT)
    events = sum(len(run.recorded) for run in batch.events.values())
    return BatchResult(checkpoints=tuple(work.moved), cached_rows=dict(work.cached_rows), events=events)


def _by_build(checkpoints: Sequence[Checkpoint]) -> dict[BuildId, list[Checkpoint]]:
    groups: dict[BuildId, list[Checkpoint]] = defaultdict(list)
    for one in checkpoints:
        groups[one.build_id].append(one)
    return groups


class _Tally:
    """How many rows of each tenant came, changed, went or were parked in one build."""

    def __init__(self, changes: Changes, stopped: Mapping[UUID, Failure], *, existed: Collection[RowKey]) -> None:
        self._upserted = Counter(tenant for tenant, _ in changes.upserts)
        self._created = Counter(row_key[0] for row_key in changes.upserts if row_key not in existed)
        self._deleted = Counter(tenant for tenant, _ in changes.deletes)
        self._parked = Counter(tenant for tenant, _ in changes.failures) + Counter(list(stopped))

    def moved(self, checkpoint: Checkpoint, run: TenantEvents, stop: Failure | None) -> Checkpoint:
        """The checkpoint after the batch."""
        tenant = checkpoint.tenant_id
        reached = _last_reached(checkpoint, run, stop)
        changed = self._upserted[tenant] or self._deleted[tenant] or self._parked[tenant]
        return msgspec.structs.replace(
            checkpoint,
            position=reached[0],
            as_of=reached[1],
            revision=checkpoint.revision + (1 if changed else 0),
            rows=checkpoint.rows + self._created[tenant] - self._deleted[tenant],
            parked=checkpoint.parked + self._parked[tenant],
        )


class _Work:
    """The state of one batch while its transaction is open."""

    def __init__(self, *, connection: Connection, batch: Batch, reach: Reach, halving: bool) -> None:
        self.connection = connection
        self.batch = batch
        self.reach = reach
        self.halving = halving
        self.moved: list[Checkpoint] = []
        self.cached_rows: dict[UUID, list[CachedRow]] = defaultdict(list)
        self.parked: set[tuple[CheckpointId, str]] = set()

    async def load_parked_keys(self) -> None:
        """Which keys of these builds wait already."""
        with_parked = [one for one in self.batch.checkpoints if one.parked]
        if with_parked:
            keys = await parking.keys_of(self.connection, with_parked)
            self.parked = {(one.checkpoint_id, one.key) for one in keys}

    async def fold_build(self, subject: Subject, build: BuildId, checkpoints: Sequence[Checkpoint]) -> None:
        """Take one build of one projection through the batch."""
        after = {one.tenant_id: one.position for one in checkpoints}
        scanned = scan(subject.projection, self.batch.events.values(), after)
        rows = await load_rows(self.connection, subject, build, scanned.touches) if scanned.touches else {}
        changes = fold(subject.projection, scanned.touches, rows, self._is_parked_in(build))
        self.reach(FaultPoint.FOLD)
        await self._save(subject, build, scanned, changes)
        self.reach(FaultPoint.UPSERT)
        stopped = {
            tenant: failure
            for tenant, failure in scanned.stopped.items()
            if (_id(tenant, build), WHOLE_TENANT) not in self.parked
        }
        await self._park(build, changes, stopped)
        tally = _Tally(changes, stopped, existed=rows.keys())
        for one in checkpoints:
            run = self.batch.events[one.tenant_id]
            self.moved.append(tally.moved(one, run, scanned.stopped.get(one.tenant_id)))
        live = {one.tenant_id for one in checkpoints if one.mode == "live"}
        if subject.projection.view.body is not None:
            for tenant, row in cached_rows(build, changes):
                if tenant in live:
                    self.cached_rows[tenant].append(row)

    def _is_parked_in(self, build: BuildId) -> Callable[[UUID, Key], bool]:
        if not self.parked:
            return lambda _tenant, _key: False
        return lambda tenant, key: (_id(tenant, build), key_name(key)) in self.parked

    async def _save(self, subject: Subject, build: BuildId, scanned: Scan, changes: Changes) -> None:
        if not self.halving:
            await save_rows(self.connection, subject, build, changes)
            return
        refused = await save_acceptable_rows(self.connection, subject, build, changes)
        for row_key, error in refused.items():
            changes.park(row_key, [recorded.position for _, recorded in scanned.touches[row_key]], error)

    async def _park(self, build: BuildId, changes: Changes, stopped: Mapping[UUID, Failure]) -> None:
        failures = [*changes.failures.values(), *stopped.values()]
        if failures:
            await parking.park(self.connection, build, failures)
        waiting = [
            (tenant, key_name(key), position)
            for (tenant, key), positions in changes.queued.items()
            for position in positions
        ]
        if waiting:
            await parking.queue(self.connection, build, waiting)


def cached_rows(build: BuildId, changes: Changes) -> list[tuple[UUID, CachedRow]]:
    """What changed of a view that goes to Redis, with whose it is."""
    noted = [
        (tenant, CachedRow(build=build, key=encode_key(key), position=changes.upserts[tenant, key].position, body=body))
        for (tenant, key), body in changes.bodies.items()
        if (tenant, key) in changes.upserts
    ]
    noted += [
        (tenant, CachedRow(build=build, key=encode_key(key), position=position, body=None))
        for (tenant, key), position in changes.deletes.items()
    ]
    return noted


def _id(tenant_id: UUID, build: BuildId) -> CheckpointId:
    return (tenant_id, build.name, build.version, build.build)


def _last_reached(checkpoint: Checkpoint, run: TenantEvents, stop: Failure | None) -> tuple[int, datetime | None]:
    for recorded in reversed(run.recorded):
        if recorded.position <= checkpoint.position:
            break
        if stop is None or recorded.position < stop.position:
            return recorded.position, recorded.recorded_at
    return checkpoint.position, checkpoint.as_of
