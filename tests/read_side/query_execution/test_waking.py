"""Who waits for a position is woken by the projector's word, and finds out without it where that was lost.

Where a test is about the word, looks are an hour apart: nothing but being woken ends the wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from uuid import UUID

import msgspec
import pytest

from read_side.query_execution.answers import Answer
from read_side.query_execution.asking import Asked
from read_side.query_execution.cache import Look, QueryCache
from read_side.query_execution.errors import TooManyWaitingError
from read_side.query_execution.stored import encode_stored
from read_side.query_execution.waiting import Waiting
from read_side.query_execution.waking import Pauses, WaitingRoom
from shared_kernel.background import beside
from shared_kernel.identifiers import new_id
from shared_kernel.rate_limits.limiter import LocalShare
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.keys import SHOWN_CHANNEL, TenantKeys
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.listening import Listener
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.shown import encode_shown
from shared_kernel.redis.state import ProjectionState, encode_state
from tests.eventually import eventually
from tests.read_side.query_execution.books import VIEW, state
from tests.read_side.query_execution.proxy import Proxy, proxy_to

_HOUR: Final = 3600.0
NEVER: Final = Pauses(
    first_heard=_HOUR, last_heard=_HOUR, first_unheard=_HOUR, last_unheard=_HOUR, table=_HOUR, table_beside=_HOUR
)
PATIENCE_SECONDS: Final = 60.0
_PATIENT: Final = ConnectionLimits(timeout_seconds=PATIENCE_SECONDS, stall_seconds=PATIENCE_SECONDS)
"""A look that a busy machine answers late is a look: without its answer the next would be an hour away."""


class Reader:
    """A read API's waiting, over a real Redis; counts the looks at each store."""

    def __init__(self, *, room: WaitingRoom, cache: QueryCache, redis: MultiplexedRedis, door: Proxy) -> None:
        self.room = room
        self.redis = redis
        self.door = door
        self.looks: dict[UUID, int] = {}
        self.asked_log: list[UUID] = []
        self.cache = cache
        self._waiting = Waiting(
            room=room, in_redis=self._look, in_table=_nothing_in_table, refuse_unknown=self._ask_log
        )

    async def wait(self, tenant_id: UUID, position: int, *, seconds: float = _HOUR) -> int:
        """Take a place, and wait until the view is shown there; where it is then."""
        with self.room.place(_asked(tenant_id, position, seconds=seconds)) as place:
            look = await self._waiting.look_when_satisfied(place)
        assert look.state is not None
        return look.state.position

    async def show(self, tenant_id: UUID, position: int, *, label: str = VIEW.label) -> None:
        """Put the state to Redis as the projector does, without a word."""
        fields = ("i", "0123abcd", "e", "1", label, encode_state(state(position=position)))
        await self.redis.call("HSET", TenantKeys(tenant_id).state_key(), *fields)

    async def say(self, tenant_id: UUID, positions: dict[str, int]) -> None:
        """Say that these views are shown up to there."""
        await self.redis.call("PUBLISH", SHOWN_CHANNEL, encode_shown(tenant_id, positions.items()))

    async def _ask_log(self, asked: Asked, _head: int | None) -> None:
        self.asked_log.append(asked.tenant_id)

    async def _look(self, asked: Asked) -> Look:
        self.looks[asked.tenant_id] = self.looks.get(asked.tenant_id, 0) + 1
        return await self.cache.look_again(asked)


async def test_a_word_wakes_who_waits_for_what_it_shows(redis_url: str) -> None:
    """One look after it, and the log is not asked; the pause between looks has nothing to do with it."""
    tenant = new_id()
    async with reading(redis_url, NEVER) as reader:
        await reader.show(tenant, 8)
        waiting = asyncio.create_task(reader.wait(tenant, 8))
        await seated(reader)
        await reader.say(tenant, {VIEW.label: 8})

        assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) == 8
        assert reader.looks == {tenant: 1}
        assert reader.asked_log == []
        assert reader.room.taken == 0


async def test_what_is_said_before_the_wait_begins_is_not_lost() -> None:
    """A place is taken before the first look: a word between the two ends the wait that follows, and no other."""
    room, tenant = WaitingRoom(pauses=NEVER), new_id()
    with room.place(_asked(tenant, 8)) as place:
        room.hear(encode_shown(tenant, [(VIEW.label, 8)]).encode())
        await asyncio.wait_for(place.sleep(_HOUR), PATIENCE_SECONDS)
        sleeping = asyncio.create_task(place.sleep(_HOUR))
        await asyncio.sleep(0)
        assert not sleeping.done()
        sleeping.cancel()


async def test_a_word_wakes_nobody_whom_it_does_not_concern(redis_url: str) -> None:
    """Another store's, a view's that is still behind, or of a position before the one that is waited for."""
    ours, theirs = new_id(), new_id()
    async with reading(redis_url, NEVER) as reader:
        for tenant in (ours, theirs):
            await reader.show(tenant, 8)
        waiting = [asyncio.create_task(reader.wait(tenant, 8)) for tenant in (ours, theirs)]
        later = asyncio.create_task(reader.wait(ours, 9))
        await seated(reader, 3)
        await reader.say(ours, {VIEW.label: 7})
        await reader.say(ours, {VIEW.label: 7, "sales@1": 9})
        await reader.say(theirs, {VIEW.label: 8})

        assert await asyncio.wait_for(waiting[1], PATIENCE_SECONDS) == 8
        assert reader.looks == {theirs: 1}
        await reader.say(ours, {VIEW.label: 8, "sales@1": 9})
        assert await asyncio.wait_for(waiting[0], PATIENCE_SECONDS) == 8
        assert reader.looks == {theirs: 1, ours: 1}
        later.cancel()
        await asyncio.wait({later})


async def test_many_who_wait_for_one_word_look_once_each(redis_url: str) -> None:
    """As many as there may be, and the next is sent away."""
    tenant = new_id()
    async with reading(redis_url, NEVER, max_waiters=200) as reader:
        await reader.show(tenant, 8)
        waiting = [asyncio.create_task(reader.wait(tenant, 8)) for _ in range(200)]
        await seated(reader, 200)
        with pytest.raises(TooManyWaitingError):
            await reader.wait(tenant, 8)
        await reader.say(tenant, {VIEW.label: 8})

        assert await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_SECONDS) == [8] * 200
        assert reader.looks == {tenant: 200}
        assert reader.room.taken == 0


async def test_who_leaves_leaves_nothing_behind(redis_url: str) -> None:
    """A cancelled client's place is free, and the word about it is for nobody."""
    tenant = new_id()
    async with reading(redis_url, NEVER, max_waiters=1) as reader:
        gone = asyncio.create_task(reader.wait(tenant, 8))
        await seated(reader)
        gone.cancel()
        await asyncio.wait({gone}, timeout=PATIENCE_SECONDS)

        assert gone.cancelled()
        assert reader.room.taken == 0
        await reader.show(tenant, 8)
        assert await reader.wait(tenant, 8, seconds=0) == 8, "there is room again"


async def test_a_lost_word_costs_a_pause(redis_url: str) -> None:
    """Redis shows it and nobody says so."""
    tenant = new_id()
    async with reading(redis_url, Pauses()) as reader:
        waiting = asyncio.create_task(reader.wait(tenant, 8))
        await seated(reader)
        await reader.show(tenant, 8)

        assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) == 8


async def test_while_nothing_is_heard_looks_are_frequent_again(redis_url: str) -> None:
    """The subscription breaks in the middle of a long pause, and does not come back."""
    tenant = new_id()
    pauses = msgspec.structs.replace(NEVER, first_unheard=0.002, last_unheard=0.05)
    async with reading(redis_url, pauses) as reader:
        await reader.show(tenant, 7)
        waiting = asyncio.create_task(reader.wait(tenant, 8))
        await seated(reader)
        await reader.door.shut()
        await eventually(lambda: _value(reader.looks.get(tenant, 0)), lambda looks: looks >= 3)
        assert reader.asked_log == [tenant], "whether there is such a position: once"
        await reader.show(tenant, 8)

        assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) == 8


async def test_what_was_missed_is_found_once_words_are_heard_again(redis_url: str) -> None:
    """Whoever still waits looks when the subscription is back."""
    tenant = new_id()
    async with reading(redis_url, NEVER) as reader:
        waiting = asyncio.create_task(reader.wait(tenant, 8))
        await seated(reader)
        await reader.door.shut()
        await eventually(lambda: _value(reader.looks.get(tenant, 0)))
        await reader.show(tenant, 8)
        await reader.say(tenant, {VIEW.label: 8})
        await reader.door.open()

        assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) == 8


@pytest.mark.parametrize("message", [b"", b"x", b"7", b" ", b"8 tested_book@1=soon", b"\xff"])
async def test_a_word_that_is_not_understood_is_ignored(message: bytes) -> None:
    """Another release may say it differently."""
    room, tenant = WaitingRoom(pauses=NEVER), new_id()
    with room.place(_asked(tenant, 8)) as place:
        room.hear(tenant.hex.encode() + message)
        sleeping = asyncio.create_task(place.sleep(_HOUR))
        await asyncio.sleep(0)
        assert not sleeping.done()
        sleeping.cancel()


async def test_a_look_before_its_time_brings_no_answer(redis_url: str) -> None:
    """However large the answer of rows that have not changed is, who looks often is only told that it is not yet."""
    tenant = new_id()
    async with reading(redis_url, NEVER) as reader:
        await reader.show(tenant, 8)
        stored = encode_stored(state(position=8), Answer(data=b"[1]"))
        assert stored is not None
        await reader.redis.call("SET", TenantKeys(tenant).response_key(_asked(tenant, 8).stored_under), stored)

        for position, answer in ((8, Answer(data=b"[1]")), (9, None)):
            look = await reader.cache.look_again(_asked(tenant, position))
            assert look.state is not None
            assert (look.state.position, look.answer) == (8, answer)


@asynccontextmanager
async def reading(redis_url: str, pauses: Pauses, *, max_waiters: int = 16) -> AsyncIterator[Reader]:
    """A reader that hears already, through a door."""
    limits = RateLimitSettings()
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(MultiplexedRedis.from_url(redis_url, limits=_PATIENT))
        await redis.connect()
        door = await stack.enter_async_context(proxy_to(redis_url))
        room = WaitingRoom(max_waiters=max_waiters, pauses=pauses)
        hearing = asyncio.Event()

        def begin() -> None:
            room.begin_to_hear()
            hearing.set()

        listener = Listener.from_url(
            door.url(redis_url),
            {SHOWN_CHANNEL: room.hear},
            client_name="tests",
            on_begin=begin,
            on_end=room.hear_no_more,
        )
        await stack.enter_async_context(beside(listener.run(), name="messages"))
        await asyncio.wait_for(hearing.wait(), PATIENCE_SECONDS)
        cache = QueryCache(redis, limits, local_share=LocalShare(limits, processes=1))
        yield Reader(room=room, cache=cache, redis=redis, door=door)


async def seated(reader: Reader, count: int = 1) -> None:
    """Until so many have taken places."""
    await eventually(lambda: _value(reader.room.taken), lambda taken: taken >= count)


def _asked(tenant_id: UUID, position: int, *, seconds: float = _HOUR) -> Asked:
    return Asked(
        tenant_id=tenant_id,
        key_id=tenant_id,
        view=VIEW,
        digest=b"digest",
        row=None,
        cost=1,
        minimum_position=position,
        wait_seconds=seconds,
        if_none_match=None,
    )


async def _value(value: int) -> int:
    return value


async def _nothing_in_table(_asked: Asked) -> ProjectionState | None:
    return None
