"""Snapshots: load, decide, save."""

from datetime import UTC, datetime

from shared_kernel.events.snapshots import SnapshotRequested
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.snapshots import model, repository
from write_side.snapshots.commands import RequestSnapshot, SnapshotDecided

SNAPSHOTS_PATH = "/api/v1/snapshots"


async def request_snapshot(command: RequestSnapshot, work: UnitOfWork) -> Outcome:
    """Ask for views as of a position; the projector builds them."""
    moment = command.as_of.astimezone(UTC) if isinstance(command.as_of, datetime) else None
    log = await repository.load(work.connection, work.tenant.id, moment=moment, now=work.now)
    model.refuse_too_many(log.expiries)
    snapshot = SnapshotDecided(
        id=work.new_id(),
        version=1,
        views=tuple(dict.fromkeys(command.views)),
        position=model.position_of(command.as_of, position=log.position, head=log.head, now=work.now),
        as_of=moment,
        expires_at=work.now + model.LIFETIME,
    )
    await repository.add(work.connection, work.tenant.id, snapshot, now=work.now)
    requested = SnapshotRequested(
        snapshot_id=snapshot.id,
        views=snapshot.views,
        position=snapshot.position,
        as_of=moment,
        expires_at=snapshot.expires_at,
    )
    work.record(requested, stream_id=snapshot.id, stream_version=1)
    return Outcome(data=snapshot, version=1, status=202, location=f"{SNAPSHOTS_PATH}/{snapshot.id}")
