"""One turn: some events of one store to one reaction, its effects and its checkpoint in one transaction."""

import traceback
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.transactions import DatabaseUnavailableError
from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.log.reader import StoredEvent, Want, decode, fetch_types
from shared_kernel.subscription.failures import CheckpointMovedError, LeaseLostError
from shared_kernel.subscription.leases import Lease
from write_side.reactions import checkpoints, parking
from write_side.reactions.checkpoints import Checkpoint
from write_side.reactions.fault_points import FaultPoint
from write_side.reactions.reaction import Reaction
from write_side.reactions.working import LEASES, Work, Workplace, crossing, working

EVENTS_A_TURN = 50
"""What one transaction reacts to: the locks of its commands are held for as long."""

_ANOTHERS = (
    LeaseLostError,
    CheckpointMovedError,
    DatabaseUnavailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    ConnectionError,
)
_RACES = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.LockNotAvailableError,
)
_ATTEMPTS_AT_RACES = 3
"""A race lost is run again at once; lost this often in a row it is treated as any other failure."""

Keyed: TypeAlias = tuple[StoredEvent, UUID, Recorded[Event] | None]
"""A stored event, what it stays in order with, and itself where it can be read."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended.

    Attributes:
        checkpoint: as committed.
        scanned: up to where there is nothing that the reaction handles.
        events: how many were reacted to.
    """

    checkpoint: Checkpoint
    scanned: int
    events: int


class Turns:
    """Takes turns under one lease."""

    def __init__(self, place: Workplace, lease: Lease) -> None:
        self._place = place
        self._lease = lease
        self._deadly: str | None = None

    async def look_back(self) -> None:
        """Learn what the worker before was about to do when it died."""
        async with crossing(self._place, self._lease) as connection:
            self._deadly = await LEASES.trying(connection, self._lease)

    async def take(self, reaction: Reaction, at: Checkpoint, *, scanned: int, head: int, careful: bool) -> Taken:
        """React to what comes next; where that fails, event by event, parking the one that fails.

        Args:
            at: the checkpoint as this worker left it.
            scanned: up to where nothing is handled.
            head: the log's.
            careful: begin event by event, saying before each what is tried: something has killed workers.

        Raises:
            What `is_anothers`; nothing that was not committed was changed.
        """
        limit = 1 if careful else EVENTS_A_TURN
        stored = await self._fetch(reaction, Want(tenant_id=at.tenant_id, after=scanned, limit=limit, until=head))
        if not stored:
            return Taken(checkpoint=at, scanned=head, events=0)
        keyed = [_keyed(reaction, one) for one in stored]
        if careful:
            moved = await self._one_by_one(reaction, at, keyed, announced=True)
        else:
            moved = await self._together(reaction, at, keyed)
        return Taken(checkpoint=moved, scanned=moved.position, events=len(stored))

    async def _fetch(self, reaction: Reaction, want: Want) -> list[StoredEvent]:
        # A transaction of its own: whether there is anything for the reaction is mostly answered by no.
        async with crossing(self._place, self._lease) as connection:
            stored = await fetch_types(connection, want, [kind.__name__ for kind in reaction.handles])
        self._place.reach(FaultPoint.FETCH)
        return stored

    async def _together(self, reaction: Reaction, at: Checkpoint, keyed: Sequence[Keyed]) -> Checkpoint:
        try:
            return await self._react(reaction, at, keyed)
        except Exception as error:
            if is_anothers(error):
                raise
            return await self._one_by_one(reaction, at, keyed, announced=False)

    async def _one_by_one(
        self, reaction: Reaction, at: Checkpoint, keyed: Sequence[Keyed], *, announced: bool
    ) -> Checkpoint:
        for one in keyed:
            if announced and await self._has_killed(reaction, one[0]):
                at = await self._park(reaction, at, one, "WorkerDied")
                continue
            at = await self._alone(reaction, at, one)
        return at

    async def _alone(self, reaction: Reaction, at: Checkpoint, one: Keyed) -> Checkpoint:
        for attempt in range(1, _ATTEMPTS_AT_RACES + 1):
            try:
                return await self._react(reaction, at, [one])
            except Exception as error:
                if is_anothers(error):
                    raise
                if not isinstance(error, _RACES) or attempt == _ATTEMPTS_AT_RACES:
                    return await self._park(reaction, at, one, name_of(error))
        raise AssertionError

    async def _react(self, reaction: Reaction, at: Checkpoint, keyed: Sequence[Keyed]) -> Checkpoint:
        async with working(self._place, self._lease, at.tenant_id, actor=reaction.name) as work:
            await checkpoints.lock_unmoved(work.connection, at)
            parked = await parking.keys_of(work.connection, at)
            await react_to(reaction, [one for one in keyed if one[1] not in parked], work)
            self._place.reach(FaultPoint.REACT)
            waiting = [(key, stored.position) for stored, key, _ in keyed if key in parked]
            if waiting:
                await parking.queue(work.connection, at, waiting)
            moved = msgspec.structs.replace(at, position=keyed[-1][0].position)
            await checkpoints.move(work.connection, moved)
            self._place.reach(FaultPoint.CHECKPOINT)
        return moved

    async def _park(self, reaction: Reaction, at: Checkpoint, one: Keyed, error: str) -> Checkpoint:
        stored, key, _ = one
        async with working(self._place, self._lease, at.tenant_id, actor=reaction.name) as work:
            await checkpoints.lock_unmoved(work.connection, at)
            # A worker may have died beside an event that only waits behind what was parked before.
            is_parked = key in await parking.keys_of(work.connection, at)
            if is_parked:
                await parking.queue(work.connection, at, [(key, stored.position)])
            else:
                await parking.park(work.connection, at, key=key, position=stored.position, error=error)
            parked = at.parked if is_parked else at.parked + 1
            moved = msgspec.structs.replace(at, position=stored.position, parked=parked)
            await checkpoints.move(work.connection, moved)
        self._place.reach(FaultPoint.PARK)
        return moved

    async def _has_killed(self, reaction: Reaction, stored: StoredEvent) -> bool:
        """Whether a worker died of it; if not, say that it is tried next."""
        what = f"{reaction.name} {stored.tenant_id} {stored.position}"
        if what == self._deadly:
            return True
        async with crossing(self._place, self._lease) as connection:
            await LEASES.note_trying(connection, self._lease, what)
        return False


async def react_to(reaction: Reaction, keyed: Sequence[Keyed], work: Work) -> None:
    """Give a reaction its events; one that cannot be read fails as if the reaction had."""
    if keyed:
        await reaction.react([decode(stored) if event is None else event for stored, _, event in keyed], work)


def is_anothers(error: Exception) -> bool:
    """Whether it is no event's fault: the lease is gone, or the database. A statement that took too long is one's."""
    return isinstance(error, _ANOTHERS) and not isinstance(error, asyncpg.QueryCanceledError)


def name_of(error: BaseException) -> str:
    """What went wrong and where in the code; never what it was said with, which may be a person's data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    code = getattr(error, "code", None)
    return f"{type(error).__name__}{f' ({code})' if isinstance(code, str) else ''}{where}"


def _keyed(reaction: Reaction, stored: StoredEvent) -> Keyed:
    try:
        recorded = decode(stored)
        return stored, reaction.key(recorded), recorded
    except Exception:  # noqa: BLE001 - it fails again where that is accounted for
        return stored, stored.stream_id, None
