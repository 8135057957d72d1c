"""`ShelfWise-Min-Position`: an answer that includes it, or a refusal that says why; and never backwards."""

import asyncio
import time

import httpx
import msgspec
import pytest

from read_side.app import Overrides
from shared_kernel.rate_limits.settings import RateLimitSettings
from tests.read_side.query_execution.books import a_book, state
from tests.read_side.query_execution.conftest import Api
from tests.round_trips import ROUND_TRIPS


async def test_a_wait_ends_when_redis_shows_the_position(api: Api) -> None:
    """The read begins before the projector writes, and shows what it wrote."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.set_head(tenant, 8)
    old, new = a_book("Emma"), a_book("Persuasion")
    await api.shelf.project(tenant, [old], state(position=7, rows=1))
    await api.shelf.write_through(tenant, state(position=7, rows=1))
    await api.reaches_redis(key)
    waiting = asyncio.create_task(api.get("/books", key, ShelfWise_Min_Position=8, Prefer="wait=10"))
    await _is_polling(api)

    await api.shelf.project(tenant, [old, new], state(position=8, rows=2))
    assert not waiting.done()
    await api.shelf.write_through(tenant, state(position=8, rows=2))
    answer = await asyncio.wait_for(waiting, timeout=30)

    assert answer.status_code == 200
    assert answer.json()["meta"]["position"] == 8
    assert len(answer.json()["data"]) == 2


async def test_a_wait_ends_when_the_table_shows_the_position_without_redis(api: Api) -> None:
    """Redis has no state at all."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.set_head(tenant, 8)
    await api.shelf.project(tenant, [], state(position=7))
    await api.get("/total", key)
    waiting = asyncio.create_task(api.get("/total", key, ShelfWise_Min_Position=8, Prefer="wait=10"))
    await _is_polling(api)

    await api.shelf.project(tenant, [a_book("Emma")], state(position=8, rows=1))
    answer = await asyncio.wait_for(waiting, timeout=30)

    assert answer.json()["data"]["books"] == 1


async def test_time_runs_out_with_503(api: Api) -> None:
    """`projection_behind`, with Retry-After and how far the view is; at once without a wait."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.set_head(tenant, 8)
    await api.shelf.project(tenant, [], state(position=7))
    await api.shelf.write_through(tenant, state(position=7))
    await api.reaches_redis(key)

    at_once = await api.get("/books", key, ShelfWise_Min_Position=8)
    began = time.monotonic()
    later = await api.get("/books", key, ShelfWise_Min_Position=8, Prefer="wait=1")
    waited_seconds = time.monotonic() - began

    for answer in (at_once, later):
        assert answer.status_code == 503
        assert answer.json()["code"] == "projection_behind"
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["ShelfWise-Position"] == "7"
        assert "RateLimit" in answer.headers
    assert 0.9 < waited_seconds < 8  # a busy machine takes its time as well


async def test_a_position_past_the_log_is_refused_at_once(api: Api) -> None:
    """The log itself was asked: the hint in Redis is older than it."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [], state(position=7))
    await api.shelf.write_through(tenant, state(position=7))
    await api.shelf.set_head(tenant, 8)
    await api.reaches_redis(key)

    past = await api.get("/books", key, ShelfWise_Min_Position=9, Prefer="wait=10")
    known = await api.get("/books", key, ShelfWise_Min_Position=8)

    assert past.status_code == 422
    assert past.json()["code"] == "position_unknown"
    assert past.json()["errors"][0]["pointer"] == "ShelfWise-Min-Position"
    assert known.json()["code"] == "projection_behind"


async def test_a_log_that_does_not_answer_is_no_reason_to_guess(api: Api) -> None:
    """The wait ends in 503, and lag is unknown."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [], state(position=7))
    await api.write_database.shut()

    past = await api.get("/books", key, ShelfWise_Min_Position=9, Prefer="wait=1")
    plain = await api.get("/books", key)

    assert past.json()["code"] == "projection_behind"
    assert plain.json()["meta"]["lag_events"] is None


async def test_the_head_is_asked_once_and_then_known_from_redis(api: Api) -> None:
    """Whoever asked the log tells the others."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [], state(position=7))
    await api.shelf.set_head(tenant, 12)
    await api.reaches_redis(key)

    first = await api.get("/books", key)
    ROUND_TRIPS.begin()
    second = await api.get("/books", key)

    assert first.json()["meta"]["lag_events"] == second.json()["meta"]["lag_events"] == 5
    assert not [text for trips in ROUND_TRIPS.of_requests() for text in trips.statements if "head_of" in text]


async def test_redis_that_fell_behind_is_not_shown_any_more(api: Api) -> None:
    """A process that has shown position 8 does not go back to 7, nor to an earlier revision of 8."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=8, revision=2, rows=1))
    await api.reaches_redis(key)
    await api.get("/books", key)

    for older in (state(position=7, revision=2), state(position=8, revision=1)):
        await api.shelf.write_through(tenant, older)
        answer = await api.get("/books", key)
        assert answer.json()["meta"]["position"] == 8
        assert answer.json()["meta"]["source"] == "table"


@pytest.mark.parametrize("position", ["-1", "x", "9223372036854775808", "1.5"])
async def test_a_malformed_position_is_refused(api: Api, position: str) -> None:
    """It points to the header."""
    _, key = await api.shelf.open_store()

    answer = await api.get("/books", key, ShelfWise_Min_Position=position)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "ShelfWise-Min-Position"


async def test_a_parked_row_is_told(api: Api) -> None:
    """`degraded`, never from the cache, and not as of its parked position."""
    tenant, key = await api.shelf.open_store()
    parked, sound, unborn = a_book("Emma"), a_book("Persuasion"), a_book("Ulysses")
    shown = state(position=9, parked=2, rows=2)
    await api.shelf.project(tenant, [parked, sound], shown)
    await api.shelf.write_through(tenant, shown, [parked, sound])
    await api.shelf.park(tenant, f"{parked.book_id}", first_position=8)
    await api.shelf.park(tenant, f"{unborn.book_id}", first_position=9)
    await api.reaches_redis(key)

    stale = await api.get(f"/books/{parked.book_id}", key)
    fresh = await api.get(f"/books/{sound.book_id}", key, ShelfWise_Min_Position=9)
    page = await api.get("/books", key)
    other_page = await api.get("/books?title=Persuasion", key)
    sums = await api.get("/total", key)
    before_it = await api.get(f"/books/{parked.book_id}", key, ShelfWise_Min_Position=7)
    refused = await api.get(f"/books/{parked.book_id}", key, ShelfWise_Min_Position=8)
    missing = await api.get(f"/books/{unborn.book_id}", key, ShelfWise_Min_Position=9)

    assert [one.json()["meta"].get("degraded") for one in (stale, fresh, page, other_page, sums)] == [
        True,
        None,
        True,
        None,
        True,
    ]
    assert {one.json()["meta"]["source"] for one in (stale, fresh, page, other_page, sums)} == {"table"}
    assert before_it.status_code == 200
    for answer in (refused, missing):
        assert answer.status_code == 503
        assert answer.json()["code"] == "row_degraded"
    assert refused.headers["ShelfWise-Position"] == "7"


async def test_a_parked_tenant_degrades_every_row(api: Api) -> None:
    """An event that cannot be told which rows it touches may touch any."""
    tenant, key = await api.shelf.open_store()
    book = a_book("Emma")
    await api.shelf.project(tenant, [book], state(position=9, parked=1, rows=1))
    await api.shelf.park(tenant, "*", first_position=9)

    shown = await api.get(f"/books/{book.book_id}", key)
    refused = await api.get("/books", key, ShelfWise_Min_Position=9)

    assert shown.json()["meta"]["degraded"] is True
    assert refused.json()["code"] == "row_degraded"


class TestCounted:
    """A key that has sixty units, and gets one back in a second."""

    @pytest.fixture
    def overrides(self, overrides: Overrides) -> Overrides:
        """Few enough to see each."""
        limits = RateLimitSettings(key_per_minute=60, key_burst=60)
        return msgspec.structs.replace(overrides, limits=limits)

    async def test_waiting_charges_the_limits_once(self, api: Api) -> None:
        """However often the state is looked at."""
        tenant, key = await api.shelf.open_store()
        await api.shelf.set_head(tenant, 9)
        await api.shelf.project(tenant, [], state(position=7))
        await api.shelf.write_through(tenant, state(position=7))
        await api.reaches_redis(key)
        before = _remaining(await api.get("/total", key))

        waited = await api.get("/total", key, ShelfWise_Min_Position=9, Prefer="wait=1")

        assert waited.status_code == 503
        assert before - 1 <= _remaining(waited) <= before


class TestCrowded:
    """One request may wait at a time."""

    @pytest.fixture
    def overrides(self, overrides: Overrides) -> Overrides:
        """A waiting room for one."""
        return msgspec.structs.replace(overrides, max_waiters=1)

    async def test_no_more_wait_than_there_is_room_for(self, api: Api) -> None:
        """The second is sent away, and comes in when the first has left."""
        tenant, key = await api.shelf.open_store()
        await api.shelf.set_head(tenant, 8)
        await api.shelf.project(tenant, [], state(position=7))
        await api.get("/books", key)
        first = asyncio.create_task(api.get("/books", key, ShelfWise_Min_Position=8, Prefer="wait=10"))
        await _is_polling(api)

        second = await api.get("/books", key, ShelfWise_Min_Position=8, Prefer="wait=10")
        await api.shelf.project(tenant, [], state(position=8))

        assert second.status_code == 503
        assert second.json()["code"] == "too_many_waiting"
        assert (await asyncio.wait_for(first, timeout=30)).status_code == 200


def _remaining(answer: httpx.Response) -> int:
    return int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0])


async def _is_polling(api: Api) -> None:
    """Until the waiting request has looked more often than any other would; its connections are there already."""
    looks = api.redis.chunks + api.read_database.chunks
    async with asyncio.timeout(30):
        while api.redis.chunks + api.read_database.chunks < looks + 12:
            await asyncio.sleep(0.005)
