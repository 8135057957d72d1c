"""Folding a batch and committing it: many tenants' events into many projections' rows, with the checkpoints, at once.

Redelivered, killed or run by a zombie it changes nothing: the lease rows are locked and their epochs compared, the
checkpoint rows are locked and compared, and everything commits together or not at all. Tenants of a lost shard, or
whose checkpoints are not where they were believed, are left out and hold up nobody else.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from projections.runtime import at_once, leases, parking
from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime.batch import Batch, BatchResult, Part, cached_rows_by_tenant, scan_batch
from projections.runtime.catalog import Catalog
from projections.runtime.checkpoints import Checkpoint, CheckpointId
from projections.runtime.errors import REFUSALS, CheckpointMovedError, LeaseLostError
from projections.runtime.fault_points import FaultPoint, Reach
from projections.runtime.folding import key_name
from projections.runtime.rows import save_acceptable_rows
from projections.runtime.statements import Wanted, load_rows_of_all, save_rows_of_all
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.log.partitions import shard_of

log = structlog.get_logger()


async def project(pool: Pool, catalog: Catalog, batch: Batch, reach: Reach) -> BatchResult:
    """Fold and commit a batch; where a row is unacceptable to the database, once more, finding and parking it.

    Raises:
        LeaseLostError, CheckpointMovedError: of every tenant; nothing was changed.
        asyncpg errors, TimeoutError, OSError: the database failed; nothing was changed unless it was the commit.
    """
    parts: list[Part] = []
    for part in scan_batch(catalog, batch):
        parts.append(part)
        await _let_others_go_on(part)
    try:
        if _is_ordinary(batch, parts) and (result := await _project_at_once(pool, batch, parts, reach)) is not None:
            return result
        return await _project(pool, catalog, batch, reach, parts=parts, halving=False)
    except REFUSALS as error:
        # Should it be no row's fault, every batch would be done twice, which somebody has to see. Not the error's text:
        # it may hold what is in the rows.
        log.warning("batch_refused", tenants=len(batch.events), error=type(error).__name__)
        return await _project(pool, catalog, batch, reach, parts=parts, halving=True)


async def _let_others_go_on(part: Part) -> None:
    """Where many events were folded in one go, those who wait for a round have waited for it."""
    if part.is_added and part.scanned.touches:
        await asyncio.sleep(0)


def _is_ordinary(batch: Batch, parts: Sequence[Part]) -> bool:
    """Whether nothing in it waits, stops, or has to be counted by the database."""
    stops = any(part.scanned.stopped or (part.is_added and part.scanned.touches) for part in parts)
    return not stops and at_once.is_ordinary(batch.checkpoints)


async def _project_at_once(pool: Pool, batch: Batch, parts: Sequence[Part], reach: Reach) -> BatchResult | None:
    """Load, fold, and commit by one statement; None, and nothing changed, where that needs more than one."""
    async with lent(pool) as connection:
        await _Work(connection=connection, parts=parts).fold()
        reach(FaultPoint.FOLD)
        if any(part.changes.queued for part in parts):
            return None
        changed = [part.changed() for part in parts if part.scanned.touches]
        moved = [one for part in parts for one in part.moved(batch.events)]
        before = [one for part in parts for one in part.checkpoints]
        moves = list(zip(before, moved, strict=True))
        if not at_once.is_small(changed) or not await at_once.save_and_move(connection, batch.leases, moves, changed):
            return None
    reach(FaultPoint.COMMIT)
    return _result(batch, parts, moved)


async def _project(
    pool: Pool, catalog: Catalog, batch: Batch, reach: Reach, *, parts: Sequence[Part], halving: bool
) -> BatchResult:
    """Do the same step by step within a transaction, leaving out the tenants of which something is not as believed."""
    async with transaction(pool, tenant_id=None) as connection:
        lost_shards, left_out = await _hold(connection, batch)
        if left_out:
            batch = batch.without(left_out)
            parts = list(scan_batch(catalog, batch))
        if halving:
            for part in parts:
                part.is_added = False
        work = _Work(connection=connection, parts=parts)
        await work.fold()
        reach(FaultPoint.FOLD)
        await (work.save_acceptable() if halving else work.save())
        reach(FaultPoint.UPSERT)
        await work.park()
        moved = [one for part in parts for one in part.moved(batch.events)]
        await checkpoint_rows.move(connection, moved)
        reach(FaultPoint.CHECKPOINT)
        await connection.execute("COMMIT")
    reach(FaultPoint.COMMIT)
    return _result(batch, parts, moved, left_out=left_out, lost_shards=lost_shards)


def _result(
    batch: Batch,
    parts: Sequence[Part],
    moved: Sequence[Checkpoint],
    *,
    left_out: frozenset[UUID] = frozenset(),
    lost_shards: frozenset[int] = frozenset(),
) -> BatchResult:
    return BatchResult(
        checkpoints=tuple(moved),
        cached_rows=cached_rows_by_tenant(parts),
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


class _Work:
    """A batch while its transaction is open."""

    def __init__(self, *, connection: Connection, parts: Sequence[Part]) -> None:
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
            await _let_others_go_on(part)

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
