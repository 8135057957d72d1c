"""Putting what was folded into a build that nobody reads yet, with its checkpoint, under a claim."""

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

import structlog

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import parking
from projections.runtime.catalog import Subject
from projections.runtime.checkpoints import BuildId
from projections.runtime.errors import REFUSALS
from projections.runtime.key_parts import KeyPart
from projections.runtime.loading import claims
from projections.runtime.loading.claims import End, Load
from projections.runtime.loading.courtesy import Courtesy
from projections.runtime.loading.filling import Filling
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction

_WRITE_SECONDS = 300
"""For all that one loader holds in memory, on a slow disk."""
_ROWS_AT_A_TIME, _ROWS_BESIDE_OTHERS = 20_000, 1_000
"""Of a COPY: whoever commits next waits until what it wrote is on the disk."""
_TIMEOUTS = f"SET LOCAL statement_timeout = '{_WRITE_SECONDS}s'"

log = structlog.get_logger()


class ClaimLostError(Exception):
    """The claim ran out or the rebuild was cancelled: whatever was folded is of no use."""


async def write(
    pool: Pool,
    claim_id: UUID,
    load: Load,
    filling: Filling,
    *,
    end: End,
    left: Sequence[KeyPart],
    courtesy: Courtesy,
) -> None:
    """Write a build's rows, or leave them to ordinary batches where the database will not have them.

    Args:
        claim_id, load: under which.
        filling: what the log came to.
        end: up to where it was folded, unless it stopped.
        left: parts of the keys that remain to be loaded.
        courtesy: how much time live projection is left meanwhile.

    Raises:
        ClaimLostError: nothing was written.
    """
    is_whole = load.parts == 1 and not left
    if filling.is_stopped and not is_whole:
        await _surrender(pool, claim_id, load, filling.subject, why="an event cannot be folded")
        return
    try:
        _check_bodies(filling)
        async with transaction(pool, tenant_id=None, preamble=_TIMEOUTS) as connection:
            await _lock(connection, claim_id, load)
            await _copy(connection, load, filling, courtesy)
            await _park(connection, load, filling)
            await claims.finish(connection, load)
            for part in left:
                await claims.add(connection, load, part, end=end)
            reached = filling.reached if filling.is_stopped else end
            await claims.move(connection, load, reached, rows=len(filling.rows), parked=len(filling.failures()))
            await claims.hold_on(connection, claim_id)
            await connection.execute("COMMIT")
    except _UNFIT as error:
        await _surrender(pool, claim_id, load, filling.subject, why=type(error).__name__)


async def give_up(pool: Pool, claim_id: UUID, load: Load, subject: Subject) -> None:
    """Leave a tenant to ordinary batches after loaders have died of it.

    Raises:
        ClaimLostError: nothing was changed.
    """
    await _surrender(pool, claim_id, load, subject, why="loaders died")


class _IllegibleRowError(Exception):
    """A row has no form for Redis: an ordinary batch parks it."""


_UNFIT = (*REFUSALS, _IllegibleRowError)


def _check_bodies(filling: Filling) -> None:
    body = filling.subject.projection.view.body
    if body is None:
        return
    for row, _ in filling.rows.values():
        try:
            body(row)
        except Exception as error:
            raise _IllegibleRowError from error


async def _lock(connection: Connection, claim_id: UUID, load: Load) -> None:
    build = BuildId(name=load.name, version=load.version, build=load.build)
    stands = await checkpoint_rows.lock_one(connection, load.tenant_id, build)
    if stands is None or not await claims.holds(connection, claim_id, load):
        raise ClaimLostError
    await claims.hold_on(connection, claim_id)


async def _copy(connection: Connection, load: Load, filling: Filling, courtesy: Courtesy) -> None:
    codec = filling.subject.codec
    rows = iter(filling.rows.values())
    while piece := list(islice(rows, _ROWS_BESIDE_OTHERS if courtesy.gives_way else _ROWS_AT_A_TIME)):
        await connection.copy_records_to_table(
            codec.build_table(load.build),
            schema_name="loading",
            columns=codec.copied_columns,
            records=codec.copied_records(load.build, load.tenant_id, piece),
            timeout=_WRITE_SECONDS,
        )
        if courtesy.is_old:
            courtesy.note(await claims.live_revisions(connection))
        await courtesy.rest()


async def _park(connection: Connection, load: Load, filling: Filling) -> None:
    failures = filling.failures()
    if failures:
        build = BuildId(name=load.name, version=load.version, build=load.build)
        await parking.park(connection, build, failures)
        await parking.queue(connection, build, list(filling.waiting()))


async def _surrender(pool: Pool, claim_id: UUID, load: Load, subject: Subject, *, why: str) -> None:
    async with transaction(pool, tenant_id=None, preamble=_TIMEOUTS) as connection:
        await _lock(connection, claim_id, load)
        await connection.execute(subject.codec.delete_loaded(load.build), load.tenant_id, timeout=_WRITE_SECONDS)
        await claims.surrender(connection, load)
        await claims.hold_on(connection, claim_id)
        await connection.execute("COMMIT")
    log.warning("left_to_ordinary_batches", projection=subject.label, build=load.build, why=why)
