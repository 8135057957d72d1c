"""Who reacts to what: where each reaction begins, and that it is followed still."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.subscription.failures import DATABASE_FAILURES
from write_side.reactions import checkpoints
from write_side.reactions.reaction import Reaction
from write_side.reactions.working import LEASES

_SAID_SECONDS: Final = 30.0
"""A sixth of the three minutes after which a reaction that only others' silence tells of is watched no more."""

log = structlog.get_logger()


async def begin(pool: Pool, reactions: Sequence[Reaction]) -> None:
    """Before the first lease is taken: every reaction has its beginning in every store that is there."""
    # allowed: session-without-tenant - where a reaction begins is decided for every store at once
    async with transaction(pool, tenant_id=None) as connection:
        await LEASES.ensure(connection)
        for reaction in reactions:
            await checkpoints.subscribe(connection, reaction.name, reaction.begins)
        await checkpoints.say_followed(connection, [one.name for one in reactions])
        # allowed: stray-commit - before there is a lease to commit under
        await connection.execute("COMMIT")


async def keep_following(pool: Pool, reactions: Sequence[Reaction]) -> None:
    """Say so until cancelled: what no worker says any more has been removed, and nobody need watch it."""
    names = [one.name for one in reactions]
    while True:
        await asyncio.sleep(_SAID_SECONDS)
        try:
            # allowed: session-without-tenant - what is followed is followed for every store
            async with transaction(pool, tenant_id=None) as connection:
                await checkpoints.say_followed(connection, names)
                # allowed: stray-commit - says nothing that a lease would have to guard
                await connection.execute("COMMIT")
        except DATABASE_FAILURES as error:
            log.warning("following_unsaid", error=type(error).__name__)
