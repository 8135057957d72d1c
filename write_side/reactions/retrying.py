"""Trying parked keys again, each event in a transaction of its own, until the key is healed or fails once more."""

from uuid import UUID

from shared_kernel.log.reader import decode, fetch_positions
from shared_kernel.subscription.leases import Lease
from write_side.reactions import checkpoints, parking
from write_side.reactions.checkpoints import Checkpoint
from write_side.reactions.fault_points import FaultPoint
from write_side.reactions.parking import ParkedKey
from write_side.reactions.reaction import Reaction
from write_side.reactions.turns import is_anothers, name_of
from write_side.reactions.working import Work, Workplace, crossing, working


class Retry:
    """Retries under one lease."""

    def __init__(self, place: Workplace, lease: Lease) -> None:
        self._place = place
        self._lease = lease

    async def attempt(self, reaction: Reaction, at: Checkpoint, parked: ParkedKey) -> bool:
        """Try the key's first event; whether the key is healed by it.

        Raises:
            What `is_anothers`; the attempt has been counted.
        """
        async with crossing(self._place, self._lease) as connection:
            await parking.count_attempt(connection, parked)
        try:
            return await self._react(reaction, at, parked)
        except Exception as error:
            if is_anothers(error):
                raise
            async with crossing(self._place, self._lease) as connection:
                await parking.note_error(connection, parked, name_of(error))
            return False

    async def _react(self, reaction: Reaction, at: Checkpoint, parked: ParkedKey) -> bool:
        async with working(self._place, self._lease, at.tenant_id, actor=reaction.name) as work:
            await checkpoints.lock_unmoved(work.connection, at)
            if not await parking.is_still_at(work.connection, parked):
                return False
            await _give(reaction, parked.tenant_id, parked.first_position, work)
            self._place.reach(FaultPoint.REACT)
            healed = await parking.advance(work.connection, parked)
            if healed:
                left = Checkpoint(
                    reaction=at.reaction, tenant_id=at.tenant_id, position=at.position, parked=at.parked - 1
                )
                await checkpoints.move(work.connection, left)
            self._place.reach(FaultPoint.CHECKPOINT)
        return healed


async def _give(reaction: Reaction, tenant_id: UUID, position: int, work: Work) -> None:
    stored = await fetch_positions(work.connection, tenant_id, [position])
    await reaction.react([decode(one) for one in stored], work)
