"""Reactions in one process: what follows from an event happens once, in order, and holds nobody else up."""

from collections import Counter
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from shared_kernel.events.orders import OrderPlaced
from shared_kernel.monitor.reacting import look_at_reactions
from tests.builders.reacting import opened_for, opened_once_for, opening, running_reactions
from tests.builders.write_side import WriteSide
from tests.eventually import eventually
from write_side.reactions.drain import failures_in_a_row
from write_side.reactions.parking import MAX_ATTEMPTS

PARKED = "SELECT reaction, state, attempts, first_position, error FROM reaction.parked_key"


class Store:
    """A store with copies to sell."""

    def __init__(self, side: WriteSide, location: UUID, edition: UUID) -> None:
        self.side = side
        self._shelf = location, edition

    async def order(self, quantity: int = 1) -> str:
        """Sell copies; the order's number."""
        location, edition = self._shelf
        return (await self.side.place(location, [(edition, quantity)])).number


async def stocked(side: WriteSide) -> Store:
    """The same store, with copies to sell."""
    location, edition = await side.location(), await side.edition()
    await side.receive(location, edition, 500)
    return Store(side, location, edition)


class Poison:
    """Fails for orders of seven copies, until it is healed."""

    def __init__(self) -> None:
        self.is_healed = False

    def __call__(self, order: OrderPlaced) -> None:
        """Raise for some."""
        if order.item_count == 7 and not self.is_healed:
            message = "a customer's name that no log may show"
            raise ValueError(message)


@pytest.fixture
async def store(write_side: WriteSide) -> Store:
    """One store, before any reaction is known."""
    return await stocked(write_side)


async def test_a_reaction_begins_where_it_says(store: Store) -> None:
    """One at the head does not repeat the past, one at the beginning does; a later store is followed from its start."""
    old = await store.order()
    servers = store.side.servers
    past, future = opening(name="past", begins="beginning"), opening(name="future", begins="head")
    async with running_reactions(servers, past, future):
        await opened_once_for(store.side, [old])
        late = await stocked(store.side.as_tenant(await store.side.another_store()))
        new, first = await store.order(), await late.order()

        async def seen() -> tuple[Counter[str], Counter[str]]:
            return await opened_for(store.side), await opened_for(late.side)

        await eventually(seen, lambda found: found == (Counter({old: 1, new: 2}), Counter({first: 2})))


async def test_what_a_command_of_a_reaction_records_says_why(store: Store) -> None:
    """The actor is the reaction; positions are gapless."""
    async with running_reactions(store.side.servers, opening()):
        number = await store.order()
        await opened_once_for(store.side, [number])
    log = await store.side.log()
    assert [one.position for one in log] == list(range(1, len(log) + 1))
    assert [one.metadata["actor"] for one in log if one.payload.get("name") == number] == ["opening"]


async def test_a_poisoned_event_holds_nobody_up_and_is_retried(store: Store) -> None:
    """Other orders and stores flow; the error's text, which may be a person's data, is nowhere; healed, it follows."""
    poison = Poison()
    other = await stocked(store.side.as_tenant(await store.side.another_store()))
    async with running_reactions(store.side.servers, opening(before=poison)):
        before, poisoned, after = await store.order(), await store.order(7), await store.order()
        elsewhere = await other.order()
        await opened_once_for(store.side, [before, after])
        await opened_once_for(other.side, [elsewhere])

        async def parked() -> list[tuple[str, int]]:
            return [(row["state"], row["attempts"]) for row in await store.side.as_administrator(PARKED)]

        await eventually(parked, lambda rows: [row[1] >= 2 for row in rows] == [True])
        (row,) = await store.side.as_administrator(PARKED)
        assert row["error"].startswith("ValueError")
        assert "customer" not in row["error"]
        poison.is_healed = True
        await opened_once_for(store.side, [before, poisoned, after])
        await eventually(parked, lambda rows: not rows)


async def test_a_log_that_cannot_be_read_stops_no_other_store(store: Store) -> None:
    """Nothing from behind a gap is reacted to; other stores are, also those that the same worker meets later."""
    await store.order()
    other = await stocked(store.side.as_tenant(await store.side.another_store()))
    gap = "DELETE FROM log.event WHERE position = 2 AND tenant_id = $1"
    await store.side.as_administrator(gap, store.side.tenant.id)
    async with running_reactions(store.side.servers, opening(begins="beginning")):
        elsewhere = [await other.order()]
        await opened_once_for(other.side, elsewhere)
        elsewhere += [await other.order()]
        await opened_once_for(other.side, elsewhere)
    assert not await opened_for(store.side)


async def test_a_dead_key_waits_for_an_operator(store: Store) -> None:
    """Its attempts used up, it is tried only once somebody says so."""
    poison = Poison()
    async with running_reactions(store.side.servers, opening(before=poison)):
        poisoned = await store.order(7)

        async def state() -> list[str]:
            hurry = "UPDATE reaction.parked_key SET next_attempt_at = now() WHERE state = 'retrying' RETURNING attempts"
            await store.side.as_administrator(hurry)
            return [row["state"] for row in await store.side.as_administrator(PARKED)]

        await eventually(state, lambda rows: rows == ["dead"])
        (row,) = await store.side.as_administrator(PARKED)
        assert row["attempts"] == MAX_ATTEMPTS
        poison.is_healed = True
        retry = "UPDATE reaction.parked_key SET state = 'retrying', attempts = 0, next_attempt_at = now()"
        await store.side.as_administrator(retry)
        await opened_once_for(store.side, [poisoned])


async def test_a_worker_that_dies_beside_a_parked_key_stops_no_shard(store: Store) -> None:
    """What it was about to try waits behind what is parked already, and everything else goes on."""
    servers = store.side.servers
    async with running_reactions(servers, opening()):
        pass
    number = await store.order()
    (placed,) = [one for one in await store.side.log() if one.type == "OrderPlaced"]
    await store.side.as_administrator(
        "INSERT INTO reaction.parked_key (id, reaction, tenant_id, key, state, first_position, attempts, error,"
        " next_attempt_at) SELECT gen_random_uuid(), 'opening', $1, $2, 'dead', 1, 8, 'before', now()",
        store.side.tenant.id,
        UUID(f"{placed.payload['order_id']}"),
    )
    await store.side.as_administrator(
        "UPDATE reaction.checkpoint SET parked = 1 WHERE tenant_id = $1", store.side.tenant.id
    )
    trying = f"opening {store.side.tenant.id} {placed.position}"
    await store.side.as_administrator("UPDATE reaction.lease SET crashes = 1, trying = $1", trying)
    async with running_reactions(servers, opening()):
        other = await store.order()
        await opened_once_for(store.side, [other])
    waiting = await store.side.as_administrator("SELECT position FROM reaction.parked_event")
    assert [row["position"] for row in waiting] == [placed.position]
    assert number not in await opened_for(store.side)


async def test_what_no_release_reacts_to_any_more_is_watched_no_more(store: Store) -> None:
    """Its workers gone, it is not late for ever; but where nobody says anything at all, nothing counts as removed."""
    async with running_reactions(store.side.servers, opening(name="removed"), opening(name="kept")):
        pass
    admin = await asyncpg.connect(store.side.servers.write_admin_url)
    try:

        async def watched() -> set[str]:
            return {one.name for one in (await look_at_reactions(admin)).reactions}

        await admin.execute("UPDATE reaction.subscription SET followed_at = now() - interval '1 day'")
        assert await watched() == {"removed", "kept"}
        await admin.execute("UPDATE reaction.subscription SET followed_at = now() WHERE reaction = 'kept'")
        assert await watched() == {"kept"}
    finally:
        await admin.close()
    async with running_reactions(store.side.servers, opening(name="removed")):
        followed = "SELECT FROM reaction.followed WHERE reaction = 'removed'"
        await eventually(partial(store.side.as_administrator, followed))


def test_a_duty_that_went_well_fails_for_the_first_time_again() -> None:
    """Else it would wait five seconds after each failure for ever, whatever lies between them."""
    assert failures_in_a_row(4, lasted_seconds=0.1) == 5
    assert failures_in_a_row(400, lasted_seconds=3_600.0) == 1


async def test_two_workers_share_the_shards(store: Store) -> None:
    """Both react, and each order has one effect."""
    servers = store.side.servers
    stores = [store] + [await stocked(store.side.as_tenant(await store.side.another_store())) for _ in range(3)]
    async with running_reactions(servers, opening()), running_reactions(servers, opening()):

        async def owners() -> set[UUID]:
            rows = await store.side.as_administrator("SELECT owner FROM reaction.lease")
            return {row["owner"] for row in rows}

        await eventually(owners, lambda found: len(found) == 2 and None not in found)
        numbers = [[await one.order() for _ in range(5)] for one in stores]
        for one, placed in zip(stores, numbers, strict=True):
            await opened_once_for(one.side, placed)
