"""What a body may be, and how each that may not is answered."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec
import pytest
from litestar.types import HTTPReceiveMessage, Message

from shared_kernel.errors import MalformedError
from shared_kernel.http.body_scan import MAX_NESTING, reject_unreadable
from tests.shared_kernel.http.small_store import SmallStore, a_sale, assert_problem

JSON = {"Content-Type": "application/json"}


async def _sell(store: SmallStore, content: bytes, **headers: str) -> httpx.Response:
    async with store.client(store.key()) as client:
        return await client.post("/sales", content=content, headers={**JSON, **headers})


def _is_readable(body: bytes) -> bool:
    try:
        reject_unreadable(body)
    except MalformedError:
        return False
    return True


async def test_a_valid_body_is_decoded(store: SmallStore) -> None:
    """The handler gets the struct."""
    response = await _sell(store, msgspec.json.encode(a_sale()))
    assert response.status_code == 201
    assert response.json()["data"]["lines"] == 1
    assert response.headers["etag"] == '"1"'
    assert response.headers["shelfwise-position"] == "7"
    assert response.headers["location"].startswith("/sales/")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"nonsense",
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"note": "\xff\xfe"}',
        b'{"note": "\xed\xa0\x80"}',
        b'{"note": "a\\u0000b"}',
        b'{"note": "\\\\\\u0000"}',
        b'{"a\\u0000": 1}',
        b'{"note": "\x00"}',
        b'{"note": "\\ud800"}',
    ],
    ids=lambda content: repr(content[:20]),
)
async def test_an_unreadable_body_is_a_400(store: SmallStore, content: bytes) -> None:
    """Not JSON, too deep, not UTF-8, or with a NUL: never a 500."""
    assert_problem(await _sell(store, content), 400, "malformed")


def test_brackets_and_escapes_within_strings_do_not_count() -> None:
    """A text may hold what JSON would nest with, and a backslash before u0000."""
    assert _is_readable(msgspec.json.encode({"note": "[{" * 1000 + '"' + "\\" + "[" * 100}))
    assert _is_readable(b'{"note": "a\\\\u0000"}')


def test_the_bound_on_nesting_is_exact() -> None:
    """64 levels pass, 65 do not."""
    assert _is_readable(b"[" * MAX_NESTING + b"]" * MAX_NESTING)
    assert not _is_readable(b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1))


@pytest.mark.parametrize("pattern", [b'"\\"', b'"', b"\\", b'["\\', b"\\u0000\\"], ids=repr)
async def test_scanning_takes_linear_time(pattern: bytes) -> None:
    """A mebibyte made to make a scan go back and forth is still told within the blink of an eye."""
    body = b"[" * 65 + (pattern * (1024 * 1024 // len(pattern)))
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        try:
            await loop.run_in_executor(None, reject_unreadable, body)
        except MalformedError as error:
            assert error.detail  # noqa: PT017  # whether it is refused is another test's claim


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/merge-patch+json",
        "application/json; charset=utf-16",
        "",
    ],
)
async def test_another_content_type_is_a_415(store: SmallStore, content_type: str) -> None:
    """Nothing is guessed to be JSON; merge patch is only PATCH's."""
    response = await _sell(store, msgspec.json.encode(a_sale()), **{"Content-Type": content_type})
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "application/merge-patch+json; charset=UTF-8"])
async def test_a_patch_takes_merge_patch_as_well(store: SmallStore, content_type: str) -> None:
    """RFC 7396."""
    async with store.client(store.key()) as client:
        url = "/sales/01890000-0000-7000-8000-000000000000"
        response = await client.patch(url, content=b'{"a": 1}', headers={"Content-Type": content_type})
    assert response.status_code == 200, response.text


async def test_a_body_that_says_it_is_too_large_is_refused_unread(store: SmallStore) -> None:
    """Nothing is received."""

    async def never() -> HTTPReceiveMessage:
        raise AssertionError("the body was read")

    status = await _raw_status(store, never, content_length=1024 * 1024 + 1)
    assert status == 413


async def test_a_body_that_grows_too_large_is_cut_off(store: SmallStore) -> None:
    """Without Content-Length it is counted."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 100_000

    async with store.client(store.key()) as client:
        response = await client.post("/sales", content=chunks(), headers=JSON)
    assert_problem(response, 413, "too_large")


async def test_a_slow_body_is_given_up() -> None:
    """One that never completes holds nothing for long."""
    store = SmallStore(body_deadline_seconds=0.05)
    parts: Iterator[HTTPReceiveMessage] = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def slow() -> HTTPReceiveMessage:
        for part in parts:
            return part
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async with asyncio.timeout(30):
        assert await _raw_status(store, slow) == 408


async def test_a_client_that_leaves_gets_no_answer(store: SmallStore) -> None:
    """A half body is not decided on."""

    async def leave() -> HTTPReceiveMessage:
        return {"type": "http.disconnect"}

    assert await _raw_status(store, leave) is None


async def test_every_breach_is_told_at_once(store: SmallStore) -> None:
    """With pointers, and without repeating what was sent."""
    body = {
        "lines": [{"edition_id": "sw_live_oops", "quantity": 0, "price": 1}, 3],
        "channel": "fax",
        "note": 5,
        "x/y": 1,
    }
    problem = assert_problem(await _sell(store, msgspec.json.encode(body)), 422, "invalid")
    assert {(error["pointer"], error["code"]) for error in problem["errors"]} == {
        ("/location_id", "missing"),
        ("/lines/0/edition_id", "wrong_format"),
        ("/lines/0/quantity", "out_of_range"),
        ("/lines/0/price", "unknown_field"),
        ("/lines/1", "wrong_type"),
        ("/channel", "wrong_format"),
        ("/note", "wrong_type"),
        ("/x~1y", "unknown_field"),
    }
    assert "oops" not in msgspec.json.encode(problem).decode()
    assert "fax" not in msgspec.json.encode(problem).decode()


async def test_the_list_of_breaches_is_bounded(store: SmallStore) -> None:
    """An answer does not grow with an attack."""
    problem = assert_problem(await _sell(store, msgspec.json.encode(a_sale(lines=[{}] * 500))), 422, "invalid")
    assert len(problem["errors"]) == 100


async def _raw_status(store: SmallStore, receive: object, *, content_length: int | None = None) -> int | None:
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {store.key()}".encode())]
    if content_length is not None:
        headers.append((b"content-length", str(content_length).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/sales",
        "raw_path": b"/sales",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "server": ("small.example", 80),
    }
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await store.app(scope, receive, send)  # type: ignore[arg-type]  # a scope as a server gives it
    return statuses[0] if statuses else None
