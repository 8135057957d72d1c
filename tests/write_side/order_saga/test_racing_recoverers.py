"""Two who recover what others left race each other past every named step: one charge per kept order, else none."""

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum

import msgspec
import pytest

from tests.builders.paying import PaidStore, open_paid_store
from tests.servers import Servers
from tests.system.saga_books import check
from tests.system.sagas import Round
from write_side.order_saga.fault_points import FAULT_POINTS
from write_side.payments.fault_points import Reach

_MAX_TURNS = 400
_ON_SHELF = 1_000


class Died(Exception):
    """Whoever raises it does nothing more, and the other finds what is left."""


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[PaidStore]:
    """Whose leases are over at once: whatever one is at, the other takes up too."""
    async with open_paid_store(servers, quantity=_ON_SHELF) as opened:
        opened.times = msgspec.structs.replace(opened.times, poll_seconds=0.02)
        yield opened


async def test_two_recoverers_race_past_every_step_and_every_compensation(store: PaidStore) -> None:
    """Each of the exported points is one's death once, while the other works on the very same."""
    deadly = set[StrEnum](FAULT_POINTS)

    def die_once(point: StrEnum) -> None:
        if point in deadly:
            deadly.discard(point)
            raise Died(point)

    rounds: list[Round] = []
    for _ in range(_MAX_TURNS):
        if rounds:
            await rounds[-1].push()
        if not rounds or not rounds[-1].left:
            if not deadly:
                break
            rounds.append(Round(store))
            await rounds[-1].place()
        await _race(store, die_once)
    assert not deadly
    assert not rounds[-1].left
    await check(store, rounds, on_shelf=_ON_SHELF)


async def _race(store: PaidStore, reach: Reach) -> None:
    ends = await asyncio.gather(*(store.turn(reach=reach) for _ in range(2)), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseExceptionGroup):
            assert end.split(Died)[1] is None, end
        else:
            assert isinstance(end, int | Died), end
