"""The duty that ends holds whose time has come: their copies go to whoever waits next, or are free again."""

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from write_side.inventory.holds import repository
from write_side.inventory.holds.handlers import expire_hold
from write_side.reactions.post import Post
from write_side.reactions.reaction import Duty
from write_side.reactions.turns import is_anothers, name_of

_SWEEP_SECONDS: Final = 5.0
"""Timers are not heard of in the log; nobody waits for one to the second."""
_AT_A_TIME: Final = 100
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 3_600.0
"""Of one that cannot be ended: its stock is wrong until somebody mends it, and each try says so in the log."""

log = structlog.get_logger()


def expiring_holds(*, sweep_seconds: float = _SWEEP_SECONDS, at_a_time: int = _AT_A_TIME) -> Duty:
    """For a worker to perform."""
    return Duty(name="hold_expiry", run=partial(_expire, sweep_seconds, at_a_time))


async def _expire(sweep_seconds: float, at_a_time: int, post: Post) -> None:
    # Unbounded in turns, until cancelled; each is bounded.
    while True:
        async with post.crossing() as connection:
            due = await repository.due(connection, post.shard, at_most=at_a_time)
        for tenant_id, hold_id in due:
            await _end(post, tenant_id, hold_id)
        if len(due) < at_a_time:
            await asyncio.sleep(sweep_seconds)


async def _end(post: Post, tenant_id: UUID, hold_id: UUID) -> None:
    """End it, or have it wait, so that it keeps no other waiting, least of all another store's."""
    try:
        async with post.working(tenant_id) as work:
            await work.run("expire_hold", partial(expire_hold, hold_id))
    except Exception as error:
        if is_anothers(error):
            raise
        log.error("hold_not_ended", tenant=str(tenant_id), hold=str(hold_id), error=name_of(error))  # noqa: TRY400 - its words may say who
        async with post.working(tenant_id) as work:
            await repository.postpone_expiry(
                work.connection,
                tenant_id,
                hold_id,
                first_seconds=_FIRST_PAUSE_SECONDS,
                longest_seconds=_LONGEST_PAUSE_SECONDS,
            )
