"""Finding the event that kills workers: a fold that raises parks its key, but a process that dies says nothing.

A lease that expired in a worker's hands counts as a crash. From the second on the shard is drained carefully: tenant by
tenant, each noted on the lease row before it is tried. If that dies too, the next worker finds the tenant noted and
takes its events one by one and row by row, each noted before it is tried; if that dies, the next one parks what it
finds noted. A worker that died of something else parks an innocent key at worst, which heals at its first retry.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog

from projections.fold import AnyRecorded
from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases, parking
from projections.runtime.batch import Batch, BatchResult, CachedRow
from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import BuildId, Checkpoint
from projections.runtime.describing import describe
from projections.runtime.errors import CheckpointMovedError, LeaseLostError, is_database_failure
from projections.runtime.fault_points import Reach
from projections.runtime.folding import (
    Failure,
    TenantEvents,
    fold,
    key_name,
    scan,
)
from projections.runtime.leases import Lease
from projections.runtime.projecting import project
from projections.runtime.rows import load_rows
from projections.runtime.statistics import Statistics
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.views import WHOLE_TENANT

CRASHES_BEFORE_CARE = 2
"""One crash may be a kill -9, a deployment or the machine's; two in a row without a drained shard are looked into."""
_ATTEMPTS_OF_A_CRASH = 3
"""As which the crashes count that led to a parked key: two without care and one with."""

log = structlog.get_logger()


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event in one build; `key` is `*` for everything but the evolving of a single row."""

    build: BuildId
    position: int
    key: str


class Trying(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be tried: a tenant's events up to a position, or one step of one event."""

    tenant_id: UUID
    until: int
    step: Step | None = None


class Projecting:
    """Projects batches, with as much care as the shard's past asks for."""

    def __init__(self, *, pool: Pool, catalog: Catalog, reach: Reach, lease: Lease, statistics: Statistics) -> None:
        self._pool = pool
        self._statistics = statistics
        self._catalog = catalog
        self._reach = reach
        self._lease = lease
        self._is_careful = False
        self._suspect: Trying | None = None
        self._has_begun = False

    async def begin(self) -> None:
        """Learn what the worker before died of, once; park what it was trying if that was a single step."""
        if self._has_begun:
            return
        if self._lease.crashes >= CRASHES_BEFORE_CARE:
            async with transaction(self._pool, tenant_id=None) as connection:
                noted = await leases.trying(connection, self._lease)
            log.warning("draining_carefully", shard=self._lease.shard, crashes=self._lease.crashes, trying=noted)
            self._is_careful = True
            self._suspect = None if noted is None else msgspec.json.decode(noted, type=Trying)
            if self._suspect is not None and self._suspect.step is not None:
                await self._park(self._suspect.tenant_id, self._suspect.step, "the process died")
        self._has_begun = True

    @property
    def is_careful(self) -> bool:
        """Whether batches are taken apart, each part noted before it is tried."""
        return self._is_careful

    def take_care(self) -> None:
        """Something unexpected was raised: find out by what."""
        self._is_careful = True

    async def trust(self) -> None:
        """The shard is drained: nothing in the log kills workers now."""
        if not self._is_careful and not self._lease.crashes:
            return
        async with transaction(self._pool, tenant_id=None) as connection:
            await leases.trust(connection, self._lease)
            await connection.execute("COMMIT")
        self._lease = msgspec.structs.replace(self._lease, crashes=0)
        self._is_careful, self._suspect = False, None

    async def project(self, batch: Batch) -> BatchResult:
        """Fold and commit a batch, or when careful at least the beginning of it.

        Raises:
            LeaseLostError: nothing was changed.
            CheckpointMovedError: load again; part of the batch may have been committed.
            Whatever the database raises.
        """
        if not self._is_careful:
            result = await project(self._pool, self._catalog, batch, self._reach)
            self._statistics.note(batch.checkpoints, result.checkpoints)
            return result
        parts = _Parts()
        for tenant_id, run in batch.events.items():
            its = [one for one in batch.checkpoints if one.tenant_id == tenant_id]
            suspect = self._suspect
            if suspect is None or suspect.tenant_id != tenant_id or _first(run) > suspect.until:
                await self._project_tenant(its, run, parts)
            else:
                await self._project_steps(its, run, until=suspect.until, parts=parts)
        return parts.result()

    async def _project_tenant(self, checkpoints: Sequence[Checkpoint], run: TenantEvents, parts: "_Parts") -> None:
        trying = Trying(tenant_id=run.tenant_id, until=_last(run))
        await self._note(trying)
        try:
            parts.add(await self._project_some(checkpoints, run))
        except Exception as error:
            if is_unexpected(error):
                self._suspect = trying
            raise

    async def _project_steps(
        self, checkpoints: Sequence[Checkpoint], run: TenantEvents, *, until: int, parts: "_Parts"
    ) -> None:
        current = {one.id: one for one in checkpoints}
        for recorded in run.recorded:
            if recorded.position > until:
                break
            single = TenantEvents(tenant_id=run.tenant_id, recorded=(recorded,), unreadable=None)
            for one in list(current.values()):
                if one.position < recorded.position:
                    result = await self._project_step(one, recorded, single)
                    current |= {moved.id: moved for moved in result.checkpoints}
                    parts.add(result)

    async def _project_step(self, checkpoint: Checkpoint, recorded: AnyRecorded, single: TenantEvents) -> BatchResult:
        subject = self._catalog.subject(checkpoint.name)
        whole = Step(build=checkpoint.build_id, position=recorded.position, key=WHOLE_TENANT)
        try:
            if type(recorded.event) in subject.projection.handles:
                await self._rehearse(subject, checkpoint, recorded, single)
                await self._note(Trying(tenant_id=checkpoint.tenant_id, until=recorded.position, step=whole))
            return await self._project_some([checkpoint], single)
        except Exception as error:
            if not is_unexpected(error):
                raise
            await self._park(checkpoint.tenant_id, whole, describe(error))
            message = "a tenant was parked"
            raise CheckpointMovedError(message) from error

    async def _rehearse(
        self, subject: Subject, checkpoint: Checkpoint, recorded: AnyRecorded, single: TenantEvents
    ) -> None:
        """Fold the event and throw the result away, saying before each row which one it is: folds are pure."""
        step = Step(build=checkpoint.build_id, position=recorded.position, key=WHOLE_TENANT)
        await self._note(Trying(tenant_id=checkpoint.tenant_id, until=recorded.position, step=step))
        touches = scan(subject.projection, [single], {checkpoint.tenant_id: recorded.position - 1}).touches
        async with transaction(self._pool, tenant_id=None) as connection:
            rows = await load_rows(connection, subject, checkpoint.build_id, touches)
            parked = {one.key for one in await parking.keys_of(connection, [checkpoint])}
        for row_key, its in touches.items():
            if key_name(row_key[1]) not in parked:
                step = msgspec.structs.replace(step, key=key_name(row_key[1]))
                await self._note(Trying(tenant_id=checkpoint.tenant_id, until=recorded.position, step=step))
                fold(subject.projection, {row_key: its}, rows, lambda _tenant, _key: False)

    async def _project_some(self, checkpoints: Sequence[Checkpoint], run: TenantEvents) -> BatchResult:
        batch = Batch(leases=(self._lease,), checkpoints=tuple(checkpoints), events={run.tenant_id: run})
        return await project(self._pool, self._catalog, batch, self._reach)

    async def _note(self, trying: Trying) -> None:
        async with transaction(self._pool, tenant_id=None) as connection:
            await leases.note_trying(connection, self._lease, msgspec.json.encode(trying).decode())
            await connection.execute("COMMIT")

    async def _park(self, tenant_id: UUID, step: Step, error: str) -> None:
        """Park what a step was about, unless the step was done after all."""
        build = step.build
        async with transaction(self._pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease)
            stands = await checkpoint_rows.lock_one(connection, tenant_id, build)
            if stands is None or stands.position >= step.position:
                return
            if step.key in {one.key for one in await parking.keys_of(connection, [stands])}:
                return
            failure = Failure(tenant_id=tenant_id, key=step.key, position=step.position, error=error)
            await parking.park(connection, build, [failure], attempts=_ATTEMPTS_OF_A_CRASH)
            moved = msgspec.structs.replace(stands, parked=stands.parked + 1, revision=stands.revision + 1)
            await checkpoint_rows.move(connection, [moved])
            await connection.execute("COMMIT")
        log.error("parked_after_crash", shard=self._lease.shard, projection=build.name, key=step.key, error=error)


def is_unexpected(error: Exception) -> bool:
    """Whether an error says neither that the lease or the checkpoints moved on nor that the database is away."""
    return not isinstance(error, LeaseLostError | CheckpointMovedError) and not is_database_failure(error)


class _Parts:
    """The results of the parts a batch was taken in."""

    def __init__(self) -> None:
        self._checkpoints: dict[object, Checkpoint] = {}
        self._cached_rows: dict[UUID, list[CachedRow]] = defaultdict(list)
        self._events = 0

    def add(self, result: BatchResult) -> None:
        self._checkpoints |= {one.id: one for one in result.checkpoints}
        for tenant_id, rows in result.cached_rows.items():
            self._cached_rows[tenant_id] += rows
        self._events += result.events

    def result(self) -> BatchResult:
        return BatchResult(
            checkpoints=tuple(self._checkpoints.values()), cached_rows=dict(self._cached_rows), events=self._events
        )


def _first(run: TenantEvents) -> int:
    """Past all, where nothing of the run could be read: then there is no event to take by itself."""
    return run.recorded[0].position if run.recorded else 2**63


def _last(run: TenantEvents) -> int:
    return run.recorded[-1].position if run.recorded else 0
