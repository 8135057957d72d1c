"""Routes that are called past the router answer as the router does, to the byte and the header field."""

from typing import Any

import httpx
import pytest
from litestar import Response, Router, get
from litestar.datastructures import Cookie
from litestar.params import FromQuery
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState

from shared_kernel.access.roles import READ_OPERATIONS, Role
from shared_kernel.errors import NotFoundError, ShelfWiseError
from shared_kernel.http.direct import is_direct
from shared_kernel.http.envelope import Envelope, envelope_bytes, not_modified, query_response
from shared_kernel.http.request import KernelRequest
from shared_kernel.http.routes import declare
from tests.shared_kernel.http.small_store import LEAK, SmallStore, a_sale, sell, show

_OTHER_WAY = {"Host": "small,example"}
"""Not refused by Litestar, and unusual enough to be left to it."""


class _NoKindAtAll(ShelfWiseError):
    """An error of no kind, which is a bug."""


@get("/oddities", opt=declare(policy=READ_OPERATIONS))
async def oddities(request: KernelRequest) -> Response[Envelope[None]]:
    """Answer, or fail, as the query string says."""
    match request.scope["query_string"]:
        case b"way":
            by_router = ScopeState.from_scope(request.scope).exception_handlers is not Empty
            return query_response(envelope_bytes(b"true" if by_router else b"false"), position=7)
        case b"unchanged":
            return not_modified(etag='W/"1"', position=3, headers={"RateLimit": "r=1"})
        case b"cookies":
            answer = query_response(envelope_bytes(b"null"), position=7)
            answer.cookies = [Cookie(key="session", value="x", httponly=True, samesite="strict", path="/")]
            answer.delete_cookie("earlier")
            return answer
        case b"missing":
            raise NotFoundError("There is no such sale.", position=12)
        case b"away":
            raise ConnectionError
        case b"no-kind":
            raise _NoKindAtAll(LEAK)
        case b"bug":
            raise ZeroDivisionError(LEAK)
    return query_response(envelope_bytes(b"null"), position=7, etag='W/"1"', next_link="/oddities?cursor=x")


@pytest.fixture
def store() -> SmallStore:
    """With a route that fails in every way, too."""
    return SmallStore(handlers=(sell, show, oddities))


async def _both(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> list[httpx.Response]:  # noqa: ANN401  # httpx's own
    headers = {"X-Request-Id": "same", **options.pop("headers", {})}
    return [await client.request(method, path, headers=headers | way, **options) for way in ({}, _OTHER_WAY)]


def _told(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status_code, sorted(answer.headers.multi_items()), answer.content


async def test_there_are_two_ways(store: SmallStore) -> None:
    """What is compared below came once past the router, and once through it."""
    async with store.client(store.key()) as client:
        answers = await _both(client, "GET", "/oddities?way")
    assert [answer.json()["data"] for answer in answers] == [False, True]


@pytest.mark.parametrize("query", ["", "?unchanged", "?cookies", "?missing", "?away", "?no-kind", "?bug"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_both_ways_tell_the_same(store: SmallStore, method: str, query: str) -> None:
    """Successes, 304 and every sort of failure."""
    async with store.client(store.key()) as client:
        answers = await _both(client, method, f"/oddities{query}")
    assert _told(answers[0]) == _told(answers[1])
    assert LEAK not in answers[0].text


@pytest.mark.parametrize(
    "options",
    [
        {"json": a_sale(lines=[])},
        {"json": a_sale(), "headers": {"Accept": "text/html"}},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        {"content": b""},
        {"json": a_sale(), "headers": {"Authorization": "Bearer x"}},
    ],
)
async def test_both_ways_refuse_alike(store: SmallStore, options: dict[str, Any]) -> None:
    """What is wrong with a command's body, type, wishes or key."""
    async with store.client(store.key()) as client:
        answers = await _both(client, "POST", "/sales", **options)
    assert answers[0].is_client_error
    assert _told(answers[0]) == _told(answers[1])


async def test_a_command_gets_its_body_and_its_role_is_looked_at(store: SmallStore) -> None:
    """A sale is sold, and who may not sell sells nothing."""
    async with store.client(store.key()) as client:
        sold = await client.post("/sales", json=a_sale())
    async with store.client(store.key(Role.ANALYST)) as client:
        refused = await client.post("/sales", json=a_sale())
    assert (sold.status_code, sold.json()["data"]["lines"]) == (201, 1)
    assert refused.status_code == 403


async def test_a_host_that_is_none_is_refused(store: SmallStore) -> None:
    """By Litestar, as everywhere."""
    async with store.client(store.key()) as client:
        assert (await client.get("/oddities", headers={"Host": "a b"})).status_code == 400


def test_what_asks_for_more_is_left_to_the_router() -> None:
    """Parameters that have to be found in the request, and hooks of the route or of its router."""

    @get("/asks", opt=declare(policy=READ_OPERATIONS))
    async def asks(limit: FromQuery[int] = 1) -> Response[Envelope[None]]:
        return query_response(envelope_bytes(b"%d" % limit), position=1)

    @get("/hooked", opt=declare(policy=READ_OPERATIONS), response_headers={"X-Hooked": "yes"})
    async def hooked() -> Response[Envelope[None]]:
        return query_response(envelope_bytes(b"null"), position=1)

    @get("/beneath", opt=declare(policy=READ_OPERATIONS))
    async def beneath() -> Response[Envelope[None]]:
        return query_response(envelope_bytes(b"null"), position=1)

    guarded = Router("/hooks", route_handlers=[beneath], middleware=[lambda app: app])
    small = SmallStore(handlers=(sell, show, oddities, asks, hooked, guarded))
    handlers = {handler.fn.__name__: handler for route in small.app.litestar.routes for handler in route.route_handlers}  # type: ignore[union-attr]  # all of them HTTP's
    direct = {name for name, handler in handlers.items() if is_direct(handler)}
    assert direct == {"sell", "oddities"}
