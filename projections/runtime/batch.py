"""One batch: many tenants' events into many projections' rows, with the checkpoints, in one transaction.

Redelivered, killed or run by a zombie it changes nothing: the lease rows are locked and their epochs compared, the
checkpoint rows are locked and compared, and everything commits together or not at all. Tenants of a lost shard, or
whose checkpoints are not where they were believed, are left out and hold up nobody else.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

import msgspec
import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import BuildId, Checkpoint, CheckpointId
from projections.runtime.errors import REFUSALS, CheckpointMovedError, LeaseLostError
from projections.runtime.fault_points import FaultPoint, Reach
from projections.runtime.folding import Changes, Failure, Scan, TenantEvents, fold, key_name, scan
from projections.runtime.leases import Lease
from projections.runtime.rows import save_acceptable_rows
from projections.runtime.statements import Changed, FoundRows, Wanted, load_rows_of_all, save_rows_of_all
from projections.runtime.tally import Tally, count
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.log.partitions import shard_of
from shared_kernel.views import WHOLE_TENANT, Key, encode_key

log = structlog.get_logger()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be folded.

    Attributes:
        leases: under which: those of all the tenants' shards.
        checkpoints: where each build is, as far as this worker knows; all of them move.
        events: runs of the tenants concerned, from the lowest checkpoint on.
    """

    leases: tuple[Lease, ...]
    checkpoints: tuple[Checkpoint, ...]
    events: Mapping[UUID, TenantEvents]

    def without(self, tenants: Collection[UUID]) -> "Batch":
        """The batch of the other tenants."""
        return Batch(
            leases=self.leases,
            checkpoints=tuple(one for one in self.checkpoints if one.tenant_id not in tenants),
            events={tenant: run for tenant, run in self.events.items() if tenant not in tenants},
        )


class CachedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as Redis shall hold it; `body` None marks a deletion."""

    build: BuildId
    key: str
    position: int
    body: bytes | None


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Where the checkpoints are now, and which rows Redis should hear of, by tenant.

    Attributes:
        left_out: tenants whose shard was lost or whose checkpoints had moved: nothing of theirs was changed.
        lost_shards: those that another worker has.
    """

    checkpoints: tuple[Checkpoint, ...]
    cached_rows: dict[UUID, list[CachedRow]]
    events: int
    left_out: frozenset[UUID] = frozenset()
    lost_shards: frozenset[int] = frozenset()


async def project(pool: Pool, catalog: Catalog, batch: Batch, reach: Reach) -> BatchResult:
    """Fold and commit a batch; where a row is unacceptable to the database, once more, finding and parking it.

    Raises:
        LeaseLostError, CheckpointMovedError: of every tenant; nothing was changed.
        asyncpg errors, TimeoutError, OSError: the database failed; nothing was changed unless it was the commit.
    """
    try:
        return await _project(pool, catalog, batch, reach, halving=False)
    except REFUSALS as error:
        # Should it be no row's fault, every batch would be done twice, which somebody has to see. Not the error's text:
        # it may hold what is in the rows.
        log.warning("batch_refused", tenants=len(batch.events), error=type(error).__name__)
        return await _project(pool, catalog, batch, reach, halving=True)


async def _project(pool: Pool, catalog: Catalog, batch: Batch, reach: Reach, *, halving: bool) -> BatchResult:
    parts = _scan(catalog, batch)
    async with transaction(pool, tenant_id=None) as connection:
        lost_shards, left_out = await _hold(connection, batch)
        if left_out:
            batch = batch.without(left_out)
            parts = _scan(catalog, batch)
        if halving:
            for part in parts:
                part.is_added = False
        work = _Work(connection=connection, parts=parts)
        await work.fold()
        reach(FaultPoint.FOLD)
        await (work.save_acceptable() if halving else work.save())
        reach(FaultPoint.UPSERT)
        await work.park()
        moved = tuple(one for part in parts for one in part.moved(batch.events))
        await checkpoint_rows.move(connection, moved)
        reach(FaultPoint.CHECKPOINT)
        await connection.execute("COMMIT")
    reach(FaultPoint.COMMIT)
    return BatchResult(
        checkpoints=moved,
        cached_rows=_cached_rows_by_tenant(parts),
        events=sum(len(run.recorded) for run in batch.events.values()),
        left_out=left_out,
        lost_shards=lost_shards,
    )


async def _hold(connection: Connection, batch: Batch) -> tuple[frozenset[int], frozenset[UUID]]:
    """Fence the leases, lock and compare the checkpoints; which shards are lost, and which tenants are left out.

    Raises:
        LeaseLostError, CheckpointMovedError: nobody is left.
    """
    held = await leases.fence_all(connection, batch.leases)
    lost_shards = frozenset(one.shard for one in batch.leases) - held
    locked = await checkpoint_rows.lock_unlocked(connection, batch.checkpoints)
    left_out = frozenset(
        one.tenant_id
        for one in batch.checkpoints
        if locked.get(one.id) != one or (lost_shards and shard_of(one.tenant_id) in lost_shards)
    )
    if left_out.issuperset(batch.events):
        if lost_shards:
            message = f"shards {sorted(lost_shards)} are no longer leased under this worker's epochs"
            raise LeaseLostError(message, shards=lost_shards)
        raise CheckpointMovedError("the checkpoints have moved since they were loaded")
    return lost_shards, left_out


def _scan(catalog: Catalog, batch: Batch) -> list["_Part"]:
    """The batch, build by build, and which rows it touches there."""
    groups: dict[BuildId, list[Checkpoint]] = defaultdict(list)
    for one in batch.checkpoints:
        groups[one.build_id].append(one)
    kinds = {tenant: {type(one.event) for one in run.recorded} for tenant, run in batch.events.items()}
    parts = []
    for build, checkpoints in groups.items():
        subject = catalog.subject(build.name)
        handles = subject.projection.handles
        after = {one.tenant_id: one.position for one in checkpoints}
        # Most views have no business with most runs, and need not look at each of their events to see it.
        concerned = [
            run for tenant, run in batch.events.items() if run.unreadable or not handles.isdisjoint(kinds[tenant])
        ]
        scanned = scan(subject.projection, concerned, after)
        parts.append(_Part(subject=subject, build=build, checkpoints=checkpoints, scanned=scanned))
    return parts


class _Part:
    """One build's share of a batch."""

    def __init__(self, *, subject: Subject, build: BuildId, checkpoints: Sequence[Checkpoint], scanned: Scan) -> None:
        self.subject = subject
        self.build = build
        self.checkpoints = checkpoints
        self.scanned = scanned
        self.is_added = subject.projection.sums is not None
        """Its rows are not loaded: what they come to in this batch is added to them."""
        self.rows: FoundRows = {}
        self.added: Mapping[UUID, int] = {}
        """How many rows of each tenant adding has found to be new."""
        self.changes: Changes
        self.newly_stopped: Mapping[UUID, Failure] = {}

    def fold(self, parked: Collection[tuple[CheckpointId, str]]) -> None:
        """Evolve the rows that were loaded, but for those that wait already."""
        self.changes = fold(self.subject.projection, self.scanned.touches, self.rows, self._is_in(parked))
        self.newly_stopped = {
            tenant: failure
            for tenant, failure in self.scanned.stopped.items()
            if (_id(tenant, self.build), WHOLE_TENANT) not in parked
        }

    def _is_in(self, parked: Collection[tuple[CheckpointId, str]]) -> Callable[[UUID, Key], bool]:
        if not parked:
            return lambda _tenant, _key: False
        return lambda tenant, key: (_id(tenant, self.build), key_name(key)) in parked

    def changed(self) -> Changed:
        """What is to be written."""
        return Changed(codec=self.subject.codec, build=self.build, changes=self.changes, is_added=self.is_added)

    def moved(self, events: Mapping[UUID, TenantEvents]) -> list[Checkpoint]:
        """The checkpoints after the batch."""
        created = self.added if self.is_added else count(key for key in self.changes.upserts if key not in self.rows)
        tally = Tally(self.changes, self.newly_stopped, created=created)
        stopped = self.scanned.stopped
        return [tally.moved(one, events[one.tenant_id], stopped.get(one.tenant_id)) for one in self.checkpoints]

    def cached_rows(self) -> list[tuple[UUID, CachedRow]]:
        """What readers shall find in Redis; a build that is not read yet has no business there."""
        if self.subject.projection.view.body is None:
            return []
        live = {one.tenant_id for one in self.checkpoints if one.mode == "live"}
        return [(tenant, row) for tenant, row in cached_rows(self.build, self.changes) if tenant in live]


class _Work:
    """A batch while its transaction is open."""

    def __init__(self, *, connection: Connection, parts: Sequence[_Part]) -> None:
        self._connection = connection
        self._parts = parts

    async def fold(self) -> None:
        """Load the rows of all builds by one statement, and evolve them."""
        touched = [part for part in self._parts if part.scanned.touches and not part.is_added]
        wanted = [
            Wanted(codec=part.subject.codec, build=part.build, keys=part.scanned.touches.keys()) for part in touched
        ]
        for part, rows in zip(touched, await load_rows_of_all(self._connection, wanted), strict=True):
            part.rows = rows
        parked = await self._load_parked_keys()
        for part in self._parts:
            part.fold(parked)

    async def _load_parked_keys(self) -> set[tuple[CheckpointId, str]]:
        """Which keys of these builds wait already."""
        with_parked = [one for part in self._parts for one in part.checkpoints if one.parked]
        if not with_parked:
            return set()
        return {(one.checkpoint_id, one.key) for one in await parking.keys_of(self._connection, with_parked)}

    async def save(self) -> None:
        """Write the rows of all builds by one statement."""
        created = await save_rows_of_all(self._connection, [part.changed() for part in self._parts])
        for part, its in zip(self._parts, created, strict=True):
            part.added = its

    async def save_acceptable(self) -> None:
        """Write build by build what the database accepts; the rows it refuses are parked."""
        for part in self._parts:
            refused = await save_acceptable_rows(self._connection, part.subject, part.build, part.changes)
            for row_key, error in refused.items():
                positions = [recorded.position for _, recorded in part.scanned.touches[row_key]]
                part.changes.park(row_key, positions, error)

    async def park(self) -> None:
        """Note what stops here, and what waits behind it."""
        for part in self._parts:
            failures = [*part.changes.failures.values(), *part.newly_stopped.values()]
            if failures:
                await parking.park(self._connection, part.build, failures)
            waiting = [
                (tenant, key_name(key), position)
                for (tenant, key), positions in part.changes.queued.items()
                for position in positions
            ]
            if waiting:
                await parking.queue(self._connection, part.build, waiting)


def _cached_rows_by_tenant(parts: Sequence[_Part]) -> dict[UUID, list[CachedRow]]:
    found: dict[UUID, list[CachedRow]] = defaultdict(list)
    for part in parts:
        for tenant, row in part.cached_rows():
            found[tenant].append(row)
    return dict(found)


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
