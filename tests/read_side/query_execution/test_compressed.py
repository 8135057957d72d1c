"""Large answers are told as one gzip member, compressed once; who does not take that gets them as they are."""

import gzip
import random
import zlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from read_side.query_execution.answers import Answer
from read_side.query_execution.compressed import MIN_BYTES, around, begin_member, compressed, end_member
from read_side.routes import ROUTES
from shared_kernel.http.envelope import envelope_bytes
from shared_kernel.http.routes import declaration_of
from tests.eventually import eventually
from tests.read_side.query_execution.books import Reads, a_book, state
from tests.read_side.query_execution.conftest import Api
from tests.servers import Servers

_BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}
_PLAIN = {"Accept-Encoding": "identity"}
_LONG_WAY = {"Accept": "application/json;q=0.9"}
_MANY = 400
"""Titles of some thirty characters: beyond the bound from which answers are compressed."""


@given(
    st.one_of(st.binary(max_size=300), st.integers(0, 200_000).map(lambda size: random.Random(size).randbytes(size))),  # noqa: S311
    st.one_of(st.binary(max_size=300), st.integers(0, 200_000).map(lambda size: b"rest" * (size // 4))),
)
def test_what_is_stitched_together_is_one_well_formed_member(begin: bytes, rest: bytes) -> None:
    """Whatever the sizes, also where the rest needs several stored blocks; nothing is left over behind it."""
    member, begun = begin_member(begin)
    whole = member + end_member(begun, rest)

    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert inflate.decompress(whole) == begin + rest
    assert inflate.eof
    assert not inflate.unused_data
    assert gzip.decompress(whole) == begin + rest


@pytest.mark.parametrize("size", [0, MIN_BYTES - 1, MIN_BYTES, 70_000])
def test_the_body_is_the_same_compressed_or_not(size: int) -> None:
    """And only what is large enough is."""
    plain = Answer(data=b"7" * size)
    answer = compressed(plain)
    before, after = around(answer.begun, b'{"position":7}')
    body = before + answer.data + after

    assert (answer.begun is not None) == (size >= MIN_BYTES)
    told = body if answer.begun is None else gzip.decompress(body)
    assert told == envelope_bytes(plain.data, b'{"position":7}')


async def _open(api: Api, *, titles: int = _MANY) -> str:
    """The key of a store with many books."""
    tenant, key = await api.shelf.open_store()
    shown = state(position=7, rows=titles)
    await api.shelf.project(tenant, [a_book(f"The Complete Works, volume {number}") for number in range(titles)], shown)
    await api.shelf.write_through(tenant, shown)
    await api.shelf.set_head(tenant, 7)
    await api.reaches_redis(key)
    return key


async def _repeated(api: Api, key: str, **fields: str) -> httpx.Response:
    """Ask until the endpoint is not run for it any more."""

    async def ask() -> tuple[bool, httpx.Response]:
        before = Reads.routed
        answer = await api.get("/titles", key, **fields)
        return Reads.routed == before, answer

    _, answer = await eventually(ask, lambda asked: asked[0])
    return answer


def _is_gzip(answer: httpx.Response) -> bool:
    coding: str | None = answer.headers.get("content-encoding")
    return coding == "gzip"


async def test_browsers_get_it_compressed_from_the_table_from_redis_and_by_the_short_way(api: Api) -> None:
    """The same data and entity tag as for everybody else, a fraction of the bytes, of the length that is told."""
    key = await _open(api)
    first = await api.get("/titles", key, **_BROWSER)
    short = await _repeated(api, key, **_BROWSER)
    long = await api.get("/titles", key, **_BROWSER, **_LONG_WAY)
    plain = await api.get("/titles", key, **_PLAIN)

    assert [one.json()["meta"]["source"] for one in (first, short, long, plain)] == ["table", "cache", "cache", "table"]
    assert [_is_gzip(one) for one in (first, short, long, plain)] == [True, True, True, False]
    assert len({one.headers["etag"] for one in (first, short, long, plain)}) == 1
    for one in (first, short, long, plain):
        assert one.headers["vary"] == "Accept-Encoding"
        assert one.headers["content-length"] == f"{one.num_bytes_downloaded}"
        assert len(one.json()["data"]) == _MANY
        assert one.json()["error"] is None
    assert short.num_bytes_downloaded * 5 < plain.num_bytes_downloaded
    assert short.json() == long.json()


async def test_each_coding_is_stored_in_itself(api: Api, servers: Servers) -> None:
    """So nobody inflates for those who take no gzip, and what nobody asks for takes no memory."""
    key = await _open(api)
    await _repeated(api, key, **_BROWSER)
    async with Redis.from_url(servers.redis_url) as redis:
        only = [await redis.get(name) async for name in redis.scan_iter("*:response:*")]
        await _repeated(api, key, **_PLAIN)
        both = [await redis.get(name) async for name in redis.scan_iter("*:response:*")]

    works = b"The Complete Works, volume 399"
    assert not any(works in stored for stored in only)
    assert sum(works in stored for stored in both) == 1
    assert _is_gzip(await _repeated(api, key, **_BROWSER))
    assert not _is_gzip(await _repeated(api, key, **_PLAIN))


async def test_head_and_304_agree_with_get(api: Api) -> None:
    """One entity tag for both codings: it is weak. What is not sent has no coding."""
    key = await _open(api)
    get = await _repeated(api, key, **_BROWSER)
    head = await api.client.head("/titles", headers={"Authorization": f"Bearer {key}", **_BROWSER})
    assert head.content == b""
    for name in ("content-length", "content-encoding", "content-type", "vary", "etag"):
        assert head.headers[name] == get.headers[name]

    for fields in (_BROWSER, _PLAIN, _BROWSER | _LONG_WAY, _PLAIN | _LONG_WAY):
        there = await api.get("/titles", key, If_None_Match=get.headers["etag"], **fields)
        assert there.status_code == 304
        assert there.content == b""
        assert there.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in there.headers


async def test_small_answers_stay_as_they_are_unless_that_is_refused(api: Api) -> None:
    """And where nothing that we have is taken, they are sent as if it had not been said."""
    key = await _open(api, titles=3)
    assert not _is_gzip(await _repeated(api, key, **_BROWSER))
    for refuses in ("gzip, identity;q=0", "gzip, *;q=0"):
        for _ in range(2):
            refused = await api.get("/titles", key, Accept_Encoding=refuses)
            assert _is_gzip(refused)
            assert len(refused.json()["data"]) == 3
    assert not _is_gzip(await api.get("/titles", key, Accept_Encoding="br, identity;q=0"))


def test_only_what_dashboards_ask_for_again_and_again_is_compressed() -> None:
    """A closed list: whoever adds a route that shows secrets does not find it here by accident."""
    assert {path for route in ROUTES for path in route.paths if declaration_of(route).compresses} == {
        "/sales",
        "/best-sellers",
    }


async def test_other_routes_and_problems_are_never_compressed(api: Api) -> None:
    """Only routes that say so, which none with secrets does, and only their successes."""
    key = await _open(api)
    page = await api.get("/books?limit=100", key, **_BROWSER)
    assert len(page.content) > MIN_BYTES
    refused = await api.get("/titles?unknown=" + "x" * MIN_BYTES, key, **_BROWSER)
    assert refused.status_code == 422
    for answer in (page, refused):
        assert "content-encoding" not in answer.headers
    assert "vary" not in page.headers


async def test_what_cannot_be_stored_is_compressed_all_the_same(api: Api, servers: Servers) -> None:
    """While a row is parked: a coding is the client's business, storing is ours."""
    tenant, key = await api.shelf.open_store()
    shown = state(position=7, rows=_MANY, parked=1)
    books = [a_book(f"The Complete Works, volume {number}") for number in range(_MANY)]
    await api.shelf.project(tenant, books, shown)
    await api.shelf.park(tenant, f"{books[0].book_id}", first_position=5)
    answer = await api.get("/titles", key, **_BROWSER)
    assert _is_gzip(answer)
    assert answer.json()["meta"]["degraded"] is True
    async with Redis.from_url(servers.redis_url) as redis:
        assert [name async for name in redis.scan_iter("*:response:*")] == []
