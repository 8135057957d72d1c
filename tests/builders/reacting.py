"""Reacting in a test: a worker in this process, and a reaction whose effect is a command that can be counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Literal

import asyncpg
import msgspec

from shared_kernel.database.roles import DatabaseRole
from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.events.orders import OrderPlaced
from tests.builders.write_side import WriteSide
from tests.eventually import eventually
from tests.servers import Servers
from write_side.inventory.commands import OpenLocation
from write_side.inventory.handlers import open_location
from write_side.reactions.fault_points import Reach, carry_on
from write_side.reactions.reaction import Duty, Reaction
from write_side.reactions.working import Work
from write_side.worker import ReactionsSettings, Subscribers, run_reactions

LEASE_SECONDS = 1.0
_STOP_TIMEOUT_SECONDS = 60.0


def nothing(_order: OrderPlaced) -> None:
    """No order fails."""


def opening(
    *,
    name: str = "opening",
    begins: Literal["head", "beginning"] = "head",
    before: Callable[[OrderPlaced], None] = nothing,
) -> Reaction:
    """A reaction that opens a location named for each order; `before` may fail."""

    async def react(recorded: Sequence[Recorded[Event]], work: Work) -> None:
        for one in recorded:
            assert isinstance(one.event, OrderPlaced)
            before(one.event)
            command = OpenLocation(name=one.event.number, kind="shop")
            await work.run("open_location", partial(open_location, command), because_of=one.metadata)

    return Reaction(name=name, begins=begins, handles=(OrderPlaced,), react=react)


def reactions_settings(servers: Servers, **changes: object) -> ReactionsSettings:
    """The worker's own login to the test's database, with short leases."""
    settings = ReactionsSettings(
        write_database_url=servers.url_as(DatabaseRole.REACTIONS),
        read_database_url=servers.url_as(DatabaseRole.REACTIONS, read=True),
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
        webhooks_allow_loopback=True,
        probe_port=0,
        lease_seconds=LEASE_SECONDS,
        idle_in_transaction_seconds=1.0,
    )
    return msgspec.structs.replace(settings, **changes)


@asynccontextmanager
async def running_reactions(
    servers: Servers,
    *reactions: Reaction,
    duties: Sequence[Duty] = (),
    reach: Reach = carry_on,
    **changes: object,
) -> AsyncIterator[None]:
    """A worker in the test's own process for as long as the block; a failure of it is the test's."""
    subscribers = Subscribers(reactions=reactions, duties=duties, reach=reach)
    task = asyncio.create_task(run_reactions(reactions_settings(servers, **changes), subscribers))
    try:
        await _subscribed(servers, task, {one.name for one in reactions})
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_TIMEOUT_SECONDS)
        assert task.done()
        with suppress(asyncio.CancelledError):
            await task


async def _subscribed(servers: Servers, task: asyncio.Task[None], names: set[str]) -> None:
    """Once a reaction is subscribed, it has its beginning."""
    connection = await asyncpg.connect(servers.write_admin_url)

    async def known() -> set[str]:
        assert not task.done(), task.exception()
        return {row["reaction"] for row in await connection.fetch("SELECT reaction FROM reaction.subscription")}

    try:
        await eventually(known, lambda found: found >= names)
    finally:
        await connection.close()


async def opened_for(store: WriteSide) -> Counter[str]:
    """How often a location was opened, by the order it is named for."""
    names = (f"{one.payload['name']}" for one in await store.log() if one.type == "LocationOpened")
    return Counter(name for name in names if name.startswith("SW-"))


async def opened_once_for(store: WriteSide, numbers: Sequence[str], *, within_seconds: float = 20.0) -> None:
    """Wait until every order has its location; then none has two."""

    async def missing() -> set[str]:
        return set(numbers) - set(await opened_for(store))

    await eventually(missing, lambda left: not left, within_seconds=within_seconds)
    assert await opened_for(store) == Counter(numbers)
