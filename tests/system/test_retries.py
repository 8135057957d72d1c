"""Many clients that retry blindly, all at once: each request happens once, and all who sent it are told the same."""

import asyncio
import os
import random
import sys
from collections.abc import Sequence

import httpx
import pytest

from tests.eventually import eventually
from tests.system.shops import Visitor, order

_SEED_VARIABLE = "SHELFWISE_RACE_SEED"
_AT_ONCE = 40
"""More than the API has connections for."""
_WAIT_SECONDS = 60.0


@pytest.mark.parametrize(
    ("requests", "keys"), [(1_000, 10), pytest.param(10_000, 100, marks=pytest.mark.race_campaign)]
)
async def test_racing_duplicates_make_one_effect_a_key(
    shop: Visitor, requests: int, keys: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them are answered, and alike; those in flight are told to come again."""
    seed = int(os.environ.get(_SEED_VARIABLE, "1"))
    location_id, edition_id = await shop.shelf(requests)
    numbers = [number % keys for number in range(requests)]
    random.Random(seed).shuffle(numbers)  # noqa: S311 - repeatable on purpose
    told, early = await _race(shop, order(location_id, (edition_id, 1)), numbers)

    assert len(set(told)) == keys
    positions = [position for _, _, position in told]
    counts = await shop.ask("/store-counts", at=max(positions), wait=10)
    assert counts["orders"]["total"] == keys
    stock = await shop.ask(f"/stock/{edition_id}", at=max(positions), wait=10)
    assert (stock["on_hand"], stock["reserved"]) == (requests, keys)
    if keys > 10:
        with capsys.disabled():
            sys.stdout.write(f"\nseed {seed}: {requests} requests, {len(set(told))} effects, {early} told to wait\n")


async def _race(shop: Visitor, wanted: object, numbers: Sequence[int]) -> tuple[list[tuple[int, bytes, int]], int]:
    """What each was told, with its key and position; how often one was told to come again."""
    room = asyncio.Semaphore(_AT_ONCE)
    early = 0

    async def one(number: int) -> tuple[int, bytes, int]:
        async def attempt() -> httpx.Response:
            nonlocal early
            answer = await shop.post("/orders", wanted, key=f"key {number}")
            if not answer.is_success:
                assert answer.status_code in {409, 503}, answer.text
                assert int(answer.headers["Retry-After"]) >= 1
                early += 1
            return answer

        async with room:  # how long it took to come to its turn does not count
            answer = await eventually(attempt, lambda found: found.is_success, within_seconds=_WAIT_SECONDS)
        return number, answer.content, int(answer.headers["ShelfWise-Position"])

    return await asyncio.gather(*(one(number) for number in numbers)), early
