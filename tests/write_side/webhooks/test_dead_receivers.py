"""Receivers that accept and never answer delay nobody else, however many they are and whosever."""

import asyncio
import time
from functools import partial

from tests.builders.receiving import Receiver, receiver
from tests.builders.telling import Shop, open_shop
from tests.eventually import eventually
from tests.servers import Servers
from write_side.webhooks.places import Place, Places

_NEVER_SECONDS = 600.0
"""Until a receiver that hangs is given up: longer than any test."""
_ROUNDS = 5


async def count(target: Receiver) -> int:
    """How many messages came."""
    return len(target.received)


async def untried(shop: Shop) -> int:
    """How many messages, to whomever, nobody has answered yet."""
    return sum(one[:2] == ("pending", 0) for one in await shop.deliveries())


async def soonest_told(shop: Shop, live: Receiver) -> float:
    """Seconds from an order to its message, the best of some: what is asked about is waiting, not the machine."""
    took = []
    for _ in range(_ROUNDS):
        started_at, before = time.monotonic(), len(live.received)
        await shop.order()
        await eventually(partial(count, live), before.__lt__, within_seconds=60)
        took.append(live.received[-1].at - started_at)
    return min(took)


async def test_dead_receivers_delay_a_live_one_by_less_than_a_second(servers: Servers) -> None:
    """Twenty of its own store, from their first message on."""
    async with open_shop(servers) as shop, receiver(None) as dead, receiver() as live:
        await shop.tell(live)
        alone = await soonest_told(shop, live)
        for _ in range(20):
            await shop.tell(dead)
        assert await soonest_told(shop, live) < alone + 1.0
        assert dead.received


async def test_more_dead_receivers_than_places_hold_up_none_that_lives(servers: Servers) -> None:
    """Most of two stores' hang, all for the first time: theirs that live, and another store's, are told meanwhile."""
    async with open_shop(servers, timeout_seconds=_NEVER_SECONDS) as shop, receiver(None) as dead, receiver() as live:
        other, third = await shop.neighbour(), await shop.neighbour()
        for store in (shop, other):
            for _ in range(30):
                await store.tell(dead, "order.placed")
            for _ in range(3):
                await store.tell(live, "order.placed")
        await third.tell(live, "order.placed")
        await asyncio.gather(shop.order(), other.order())
        await eventually(lambda: count(dead), lambda seen: seen == 60, within_seconds=60)
        await asyncio.gather(shop.order(), other.order(), third.order())
        await eventually(lambda: count(live), lambda seen: seen == 13, within_seconds=60)
        # What was heard last may not have been noted yet.
        await eventually(lambda: untried(shop), lambda seen: seen == 120, within_seconds=60)
        assert await count(dead) == 60, "one message at a time, and nobody has given up"


async def test_places_are_bounded_and_given_up_only_where_there_is_room() -> None:
    """Those for slow ones too: who finds none keeps the place they have."""
    places, held = Places(), list[Place]()
    leaving = asyncio.Event()

    async def serve(*, is_failing: bool) -> None:
        async with places.one(is_failing=is_failing) as place:
            held.append(place)
            await leaving.wait()

    tasks = [asyncio.create_task(serve(is_failing=number % 2 == 0)) for number in range(700)]

    async def settled(expected: int) -> None:
        await eventually(lambda: _length(held), lambda seen: seen == expected)

    await settled(48 + 16)
    slow = 0
    for place in held:  # grows meanwhile: a place that is given up is taken at once
        slow += await place.give_way()
        await asyncio.sleep(0)
    await settled(48 + 16 + 256)
    assert slow == 256
    assert not await held[-1].give_way()
    leaving.set()
    await asyncio.gather(*tasks)
    assert len(held) == 700


async def _length(held: list[Place]) -> int:
    return len(held)
