"""The duty that ends holds whose time has come: their copies go to whoever waits next, or are free again."""

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

from write_side.inventory.holds import repository
from write_side.inventory.holds.handlers import expire_hold
from write_side.reactions.post import Post
from write_side.reactions.reaction import Duty

_SWEEP_SECONDS: Final = 5.0
"""Timers are not heard of in the log; nobody waits for one to the second."""
_AT_A_TIME: Final = 100


def expiring_holds(*, sweep_seconds: float = _SWEEP_SECONDS) -> Duty:
    """For a worker to perform."""
    return Duty(name="hold_expiry", run=partial(_expire, sweep_seconds))


async def _expire(sweep_seconds: float, post: Post) -> None:
    # Unbounded in turns, until cancelled; each is bounded.
    while True:
        async with post.crossing() as connection:
            due = await repository.due(connection, post.shard, at_most=_AT_A_TIME)
        failures: list[BaseException] = []
        for tenant_id, hold_id in due:
            # One that fails is looked at again, and keeps no other waiting, least of all another store's.
            found = await asyncio.gather(_end(post, tenant_id, hold_id), return_exceptions=True)
            failures += [one for one in found if one is not None]
        if failures:
            raise failures[0]
        if len(due) < _AT_A_TIME:
            await asyncio.sleep(sweep_seconds)


async def _end(post: Post, tenant_id: UUID, hold_id: UUID) -> None:
    async with post.working(tenant_id) as work:
        await work.run("expire_hold", partial(expire_hold, hold_id))
