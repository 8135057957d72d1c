"""Who asks again, word for word, is answered before the router: the same, while what it depends on is the same."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from read_side import app
from read_side.app import Overrides
from read_side.query_execution import repeating
from shared_kernel.access.api_keys import hash_api_key
from shared_kernel.access.principals import PrincipalCache
from shared_kernel.clock import day_ends_at
from shared_kernel.redis.keys import REVOCATIONS_CHANNEL
from tests.eventually import eventually
from tests.read_side.query_execution.books import ROUTES, Reads, a_book, state
from tests.read_side.query_execution.conftest import GENEROUS, Api, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

_LONG_WAY = {"Accept": "application/json;q=0.9"}
"""Understood, and rare enough for the short way to leave it alone."""


class _Clock:
    """Shows what it is told."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """The application's."""
    return _Clock()


@pytest.fixture
def overrides(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> Overrides:
    """A clock that tests set, and principals that are not forgotten however slow the machine is."""
    monkeypatch.setattr(app, "PrincipalCache", partial(PrincipalCache, ttl_seconds=600.0))
    return Overrides(routes=ROUTES, limits=GENEROUS, clock=clock)


async def _open(api: Api) -> tuple[str, str]:
    """A store with three books, whose key and whose second book's path."""
    tenant, key = await api.shelf.open_store()
    shelved = [a_book(title) for title in ("Emma", "Persuasion", "Sanditon")]
    shown = state(position=7, rows=3)
    await api.shelf.project(tenant, shelved, shown)
    await api.shelf.write_through(tenant, shown, shelved)
    await api.shelf.set_head(tenant, 7)
    await api.reaches_redis(key)
    return key, f"/books/{shelved[1].book_id}"


async def _is_repeated(api: Api, path: str, key: str) -> bool:
    before = Reads.routed
    await api.get(path, key)
    return Reads.routed == before


async def _repeat(api: Api, path: str, key: str) -> None:
    """Ask until the endpoint is not run for it any more."""
    await eventually(lambda: _is_repeated(api, path, key))


def _told(answer: httpx.Response) -> dict[str, str]:
    """The header fields, but for what is of one request only."""
    return {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "ratelimit")}


async def test_both_ways_tell_the_same(api: Api) -> None:
    """Status, every header field and every byte: of an entity, a sum, a page with a next one, and of 304."""
    key, entity = await _open(api)
    for path in (entity, "/total", "/books?limit=1&sort=-title"):
        await _repeat(api, path, key)
        for fields in ({}, {"If-None-Match": (await api.get(path, key)).headers["ETag"]}):
            short = await api.get(path, key, **fields)
            long = await api.get(path, key, **_LONG_WAY, **fields)
            assert short.status_code == (304 if fields else 200)
            assert (short.status_code, short.content) == (long.status_code, long.content)
            assert _told(short) == _told(long)
            assert short.headers["x-request-id"] != long.headers["x-request-id"]


async def test_a_browser_is_told_what_its_store_allows(api: Api) -> None:
    """CORS is of the answer, whichever way it came."""
    key, entity = await _open(api)
    await _repeat(api, entity, key)
    short = await api.get(entity, key, Origin="https://elsewhere.example")
    assert short.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in short.headers


async def test_every_repetition_is_charged_once(servers: Servers) -> None:
    """Also the one that the short way cannot answer, and hands on with its look."""
    shelf = Shelf(servers)
    await shelf.prepare()
    slow = msgspec.structs.replace(GENEROUS, key_per_minute=60, key_burst=60)
    async with running_api(servers, shelf, Overrides(routes=ROUTES, limits=slow)) as api:
        key, entity = await _open(api)
        await _repeat(api, entity, key)
        left = [_left(await api.get(entity, key)) for _ in range(3)]
        async with Redis.from_url(servers.redis_url) as redis:
            await redis.delete(*[name async for name in redis.scan_iter("*:head")])
        left.append(_left(await api.get(entity, key)))

    # A unit comes back each second.
    assert all(earlier - later <= 1 for earlier, later in pairwise(left))
    assert left[0] > left[-1]


def _left(answer: httpx.Response) -> int:
    return int(answer.headers["RateLimit"].split(";r=")[1].split(";")[0])


async def test_what_changes_in_the_view_changes_the_answer(api: Api) -> None:
    """At the very next repetition."""
    tenant, key = await api.shelf.open_store()
    book = a_book("Emma")
    await api.shelf.project(tenant, [book], state(position=7, rows=1))
    await api.shelf.write_through(tenant, state(position=7, rows=1), [book])
    await api.shelf.set_head(tenant, 9)
    await api.reaches_redis(key)
    await _repeat(api, f"/books/{book.book_id}", key)

    revised = msgspec.structs.replace(book, title="Emma, revised")
    await api.shelf.write_through(tenant, state(position=9, rows=1), [revised])

    before = Reads.routed
    answer = await api.get(f"/books/{book.book_id}", key)
    assert answer.json()["data"]["title"] == "Emma, revised"
    assert answer.json()["meta"]["position"] == 9
    assert Reads.routed == before


async def test_a_revoked_key_repeats_nothing(api: Api, servers: Servers) -> None:
    """The message reaches the short way too."""
    key, entity = await _open(api)
    await _repeat(api, entity, key)
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.publish(REVOCATIONS_CHANNEL, hash_api_key(key, servers.secret_key))
    await eventually(lambda: api.get(entity, key), lambda answer: answer.status_code == 401)


async def test_another_key_asks_for_itself(api: Api) -> None:
    """The same words of another store are another question, however often they were answered."""
    key, entity = await _open(api)
    await _repeat(api, entity, key)
    await _repeat(api, "/total", key)
    other_key, _ = await _open(api)
    assert (await api.get(entity, other_key)).status_code == 404
    assert (await api.get("/total", other_key)).headers["ETag"] != (await api.get("/total", key)).headers["ETag"]


async def test_a_new_day_asks_anew(api: Api, clock: _Clock) -> None:
    """`today` is part of what some questions mean; and a clock that is set back has another day as well."""
    key, entity = await _open(api)
    for change in (timedelta(hours=25), timedelta(hours=-50)):
        await _repeat(api, entity, key)
        clock.now += change
        assert not await _is_repeated(api, entity, key)


async def test_a_question_is_of_the_day_on_which_it_came(api: Api, clock: _Clock) -> None:
    """Resolved before midnight and answered after it, it is not the same question on the new day."""
    key, entity = await _open(api)
    clock.now = day_ends_at("Europe/London", clock.now)
    assert [await _is_repeated(api, entity, key) for _ in range(3)] == [False] * 3
    clock.now += timedelta(minutes=1)
    await _repeat(api, entity, key)


async def test_freshness_that_is_asked_for_goes_the_long_way(api: Api) -> None:
    """Waiting and refusing are decided in one place."""
    key, entity = await _open(api)
    await _repeat(api, entity, key)
    ahead = await api.get(entity, key, ShelfWise_Min_Position=8)
    assert ahead.status_code == 422
    there = await api.get(entity, key, ShelfWise_Min_Position=7)
    assert there.status_code == 200


async def test_whether_there_is_anything_goes_the_long_way(api: Api) -> None:
    """`If-None-Match: *` names no entity tag: there is something, so nothing is sent, whoever asks how often."""
    key, entity = await _open(api)
    await _repeat(api, entity, key)
    assert (await api.get(entity, key, If_None_Match="*")).status_code == 304


async def test_no_more_questions_are_remembered_than_the_bound(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one not asked for longest goes first."""
    monkeypatch.setattr(repeating, "MAX_QUESTIONS", 2)
    key, entity = await _open(api)
    for path in (entity, "/total", "/books?limit=1"):
        await _repeat(api, path, key)
    assert await _is_repeated(api, "/total", key)
    assert not await _is_repeated(api, entity, key)


async def test_a_long_address_is_no_question_to_remember(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may be spelled in many ways, each of which would be another question."""
    monkeypatch.setattr(repeating, "MAX_ADDRESS_LENGTH", len("/api/v1/books" + "limit=1"))
    key, _ = await _open(api)
    await _repeat(api, "/books?limit=1", key)
    assert [await _is_repeated(api, "/books?limit=01", key) for _ in range(3)] == [False] * 3


async def test_an_answer_that_has_not_changed_is_not_fetched_again(api: Api, servers: Servers) -> None:
    """Redis says that it is the same, and need not have it any more; once the rows change it is asked for them."""
    tenant, key = await api.shelf.open_store()
    book = a_book("Emma")
    await api.shelf.project(tenant, [book], state(position=7, rows=1))
    await api.shelf.write_through(tenant, state(position=7, rows=1), [book])
    await api.shelf.set_head(tenant, 7)
    await api.reaches_redis(key)
    paths = (f"/books/{book.book_id}", "/total", "/books?limit=1")
    for path in paths:
        await _repeat(api, path, key)
        await _repeat(api, path, key)
    before = [await api.get(path, key) for path in paths]
    async with Redis.from_url(servers.redis_url) as redis:
        for kind in ("row", "response"):
            await redis.delete(*[name async for name in redis.scan_iter(f"*:{kind}:*")])

    routed = Reads.routed
    after = [await api.get(path, key) for path in paths]
    assert Reads.routed == routed
    assert [one.content for one in after] == [one.content for one in before]
    assert [_told(one) for one in after] == [_told(one) for one in before]

    await api.shelf.write_through(tenant, state(position=9, rows=1, revision=7))
    moved = [(await api.get(path, key)).json() for path in paths]
    assert Reads.routed == routed
    assert [one["meta"]["position"] for one in moved] == [9, 9, 9]
    assert [one["data"] for one in moved] == [one.json()["data"] for one in before]


async def test_no_more_bytes_are_kept_than_the_bound(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer not asked for longest goes first, with its question."""
    key, entity = await _open(api)
    await _repeat(api, "/total", key)
    one, other = [len((await api.get(path, key)).content) for path in ("/total", "/books?limit=3")]
    # Two looks of half a kilobyte each are kept beside either: there is room for one, not for both.
    monkeypatch.setattr(repeating, "MAX_BYTES_KEPT", one + other + 3 * 512)
    await _repeat(api, "/books?limit=3", key)
    await api.get("/books?limit=3", key)
    assert not await _is_repeated(api, "/total", key)
    await _repeat(api, entity, key)
    assert await _is_repeated(api, entity, key)
