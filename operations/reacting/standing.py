"""How far each reaction is, who reacts, and what is due."""

from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import lent
from shared_kernel.monitor.reacting import Reacting, look_at_reactions

OVERDUE_SECONDS = 60.0
"""A message that has been due for so long, to a receiver that does not fail, is not waiting for its turn."""


async def standing(write_pool: Pool) -> Reacting:
    """As of now; the pool is of the operator's role."""
    async with lent(write_pool) as connection:
        return await look_at_reactions(connection)


def labour_verdict(now: Reacting) -> tuple[bool, str]:
    """Whether somebody reacts everywhere, in a line."""
    labour = now.labour
    if not labour.workers:
        return False, "nobody reacts; run `shelfwise up`, or `python -m write_side.worker`"
    seen = f"{labour.workers} seen, {labour.held_shards} of {labour.shards} shards held"
    return labour.held_shards == labour.shards, seen


def parked_verdict(now: Reacting) -> tuple[bool, str]:
    """Whether an event of a reaction waits, in a line."""
    parked = [one for one in now.reactions if one.dead or one.retrying]
    told = ", ".join(f"{one.name}: {one.dead} dead, {one.retrying} retrying" for one in parked)
    return not parked, f"{told}; see `shelfwise reactions dead-letters list`" if parked else "none"


def outbox_verdict(now: Reacting) -> tuple[bool, str]:
    """Whether messages leave, in a line."""
    told = ", ".join(
        f"{one.name}: {one.due} due" + (f", the oldest for {one.overdue_seconds:.0f} s" if one.due else "")
        for one in now.outboxes
    )
    return all(one.overdue_seconds < OVERDUE_SECONDS for one in now.outboxes), told
