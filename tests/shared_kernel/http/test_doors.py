"""Both doors together, as a client meets them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from litestar import get
from litestar.types import Message

from shared_kernel.access.api_keys import new_api_key
from shared_kernel.access.roles import PUBLIC, READ_OPERATIONS, AccessPolicy, Role
from shared_kernel.http.door import DoorSettings
from shared_kernel.http.routes import UndeclaredRouteError, declare
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.tenancy import NoTenantInContextError, current_tenant
from tests.shared_kernel.http.small_store import NOW, ROOMY, SmallStore, assert_problem

_SALE = "/sales/01890000-0000-7000-8000-000000000000"


async def test_a_key_names_the_tenant(store: SmallStore) -> None:
    """Tenant and principal are in context while the handler runs, and not after."""
    key = store.key()
    async with store.client(key) as client:
        response = await client.get("/seen")
    principal = store.principal(key)
    assert response.json()["data"]["tenant"] == str(principal.tenant.id)
    assert response.json()["data"]["actor"] == str(principal.id)
    with pytest.raises(NoTenantInContextError):
        current_tenant()


async def test_a_principal_is_looked_up_once(store: SmallStore) -> None:
    """The second request asks nobody."""
    async with store.client(store.key()) as client:
        for _ in range(3):
            assert (await client.get("/seen")).status_code == 200
    assert store.lookups == 1


async def test_every_401_is_the_same(store: SmallStore) -> None:
    """No cause can be told from another."""
    valid = store.key()
    expired = store.key(expires_at=NOW - timedelta(seconds=1))
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {valid[:-1]}!"},
        {"Authorization": f"Bearer {new_api_key()}"},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": f"Bearer {valid} {valid}"},
        {"Authorization": "Bearer " + "x" * 5000},
    ]
    shapes = set()
    async with store.client() as client:
        for header in headers:
            response = await client.get("/seen", headers={**header, "X-Request-Id": "same"})
            assert_problem(response, 401, "unauthenticated")
            shapes.add((response.content, tuple(sorted(response.headers.items()))))
    assert len(shapes) == 1
    assert 'Bearer realm="shelfwise"' in str(shapes)


async def test_an_expired_key_is_refused_though_remembered(store: SmallStore) -> None:
    """Expiry is looked at on every request, not when the key is looked up."""
    key = store.key(expires_at=NOW)
    async with store.client(key) as client:
        for _ in range(2):
            assert (await client.get("/seen")).status_code == 401
    assert store.lookups == 1


@pytest.mark.parametrize("role", list(Role))
async def test_roles_follow_the_declaration(store: SmallStore, role: Role) -> None:
    """Figures are not the till's."""
    async with store.client(store.key(role)) as client:
        response = await client.get("/seen")
    if role in (Role.OWNER, Role.MANAGER, Role.ANALYST):
        assert response.status_code == 200
    else:
        assert_problem(response, 403, "forbidden")


async def test_authentication_comes_before_the_body(store: SmallStore) -> None:
    """Whoever has no key cannot make us read a mebibyte, nor learn what a body needs."""
    async with store.client() as client:
        assert_problem(await client.post("/sales", content=b"{"), 401, "unauthenticated")


def test_a_route_without_a_declaration_stops_the_boot() -> None:
    """Deny by default."""

    @get("/open")
    async def undeclared() -> None: ...

    with pytest.raises(UndeclaredRouteError, match="/open"):
        SmallStore(handlers=[undeclared])


@pytest.mark.parametrize(
    "policy",
    [
        AccessPolicy(name="nobody"),
        AccessPolicy(name="both", public=True, roles=frozenset({Role.OWNER})),
    ],
    ids=lambda policy: policy.name,
)
def test_a_policy_that_contradicts_itself_stops_the_boot(policy: AccessPolicy) -> None:
    """A policy admits everybody or some roles."""

    @get("/odd", opt=declare(policy=policy))
    async def odd() -> None: ...

    with pytest.raises(UndeclaredRouteError, match="/odd"):
        SmallStore(handlers=[odd])


def test_a_response_cache_stops_the_boot() -> None:
    """Litestar's knows no tenants: it served one store's answer to another."""

    @get("/cached", opt=declare(policy=READ_OPERATIONS), cache=True)
    async def cached() -> None: ...

    with pytest.raises(UndeclaredRouteError, match="/cached"):
        SmallStore(handlers=[cached])


async def test_request_ids_are_echoed_where_sane_and_made_elsewhere(store: SmallStore) -> None:
    """Also on paths that do not exist."""
    async with store.client(store.key()) as client:
        assert (await client.get("/seen", headers={"X-Request-Id": "abc-1"})).json()["data"]["request_id"] == "abc-1"
        for insane in ("a b", "x" * 129, "ü", ""):
            response = await client.get("/nowhere", headers={b"X-Request-Id": insane.encode()})
            assert len(response.headers["x-request-id"]) == 36
        assert (await client.get("/nowhere", headers={"X-Request-Id": "abc-2"})).headers["x-request-id"] == "abc-2"


@pytest.mark.parametrize(
    ("sent", "continues"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", True),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("nonsense", False),
    ],
)
async def test_a_trace_is_continued_where_it_is_one(store: SmallStore, sent: str, *, continues: bool) -> None:
    """The trace stays, the span is ours."""
    async with store.client(store.key()) as client:
        parent = (await client.get("/seen", headers={"traceparent": sent})).json()["data"]["traceparent"]
    version, trace_id, span_id, flags = parent.split("-")
    assert (version, len(span_id)) == ("00", 16)
    assert (trace_id == "4bf92f3577b34da6a3ce929d0e0e4736") is continues
    assert flags == ("01" if continues else "00")
    assert span_id != "00f067aa0ba902b7"


async def test_unknown_paths_methods_and_ids(store: SmallStore) -> None:
    """404 and 405 with Allow; an id that is none is one that does not exist."""
    async with store.client(store.key()) as client:
        assert_problem(await client.get("/nowhere"), 404, "not_found")
        assert_problem(await client.get("/sales/not-an-id"), 404, "not_found")
        response = await client.delete(_SALE)
        assert_problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD, OPTIONS, PATCH"


async def test_a_parameter_that_does_not_convert_is_a_422_that_repeats_nothing(store: SmallStore) -> None:
    """Litestar's own answer shows the query string."""
    async with store.client(store.key()) as client:
        response = await client.get(_SALE, params={"times": "sw_live_secret", "api_key": "hunter2"})
    problem = assert_problem(response, 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["times"]
    assert "secret" not in response.text
    assert "hunter2" not in response.text


async def test_head_is_get_without_its_body(store: SmallStore) -> None:
    """RFC 9110, section 9.3.2."""
    async with store.client(store.key()) as client:
        got = await client.get(_SALE)
        head = await client.head(_SALE)
    assert head.content == b""
    assert head.status_code == 200
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))


async def test_the_address_limit_counts_whatever_comes() -> None:
    """404s, 401s and good requests draw from it; another address has its own; probes are never refused."""
    limits = RateLimitSettings(address_per_minute=60, address_burst=3)
    store = SmallStore(door=DoorSettings(rate_limits=limits))
    async with store.client(store.key()) as client, store.client(address="192.0.2.2") as other:
        await client.get("/nowhere")
        await client.get("/seen", headers={"Authorization": "Bearer x"})
        assert (await client.get("/seen")).status_code == 200
        for path in ("/seen", "/nowhere"):
            refused = await client.get(path)
            assert_problem(refused, 429, "rate_limited")
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.headers["ratelimit-policy"] == '"address";q=60;w=60'
            assert refused.headers["ratelimit"].startswith('"address";r=0;t=')
        assert (await client.get("/health/live")).status_code == 200
        assert (await other.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    ("trusted", "forwarded", "shared"),
    [
        ((), "198.51.100.1", True),
        (("192.0.2.0/24",), "198.51.100.1", False),
        (("192.0.2.0/24",), "198.51.100.{}, 203.0.113.9", True),
        (("192.0.2.0/24",), "nonsense", True),
    ],
    ids=["believed from nobody", "believed from a proxy", "only its last hop", "only an address"],
)
async def test_forwarded_addresses_are_believed_from_our_proxies_only(
    trusted: tuple[str, ...], forwarded: str, *, shared: bool
) -> None:
    """Anybody else could give himself a fresh limit with each request."""
    limits = RateLimitSettings(address_per_minute=60, address_burst=1)
    store = SmallStore(door=DoorSettings(rate_limits=limits, trusted_proxies=trusted))
    async with store.client() as client:
        first = await client.get("/nowhere", headers={"X-Forwarded-For": forwarded.format(1)})
        second_value = forwarded.format(2) if shared else "198.51.100.2"
        second = await client.get("/nowhere", headers={"X-Forwarded-For": second_value})
    assert first.status_code == 404
    assert (second.status_code == 429) is shared


async def test_what_is_too_much_at_once_is_shed() -> None:
    """503 with Retry-After, at once; what is under way goes on."""
    entered, leave = asyncio.Event(), asyncio.Event()

    @get("/slow", opt=declare(policy=PUBLIC))
    async def slow() -> str:
        entered.set()
        await leave.wait()
        return "done"

    store = SmallStore(handlers=[slow], door=DoorSettings(rate_limits=ROOMY, max_concurrent_requests=1))
    async with store.client() as client, asyncio.timeout(30), asyncio.TaskGroup() as group:
        first = group.create_task(client.get("/slow"))
        await entered.wait()
        refused = await client.get("/slow")
        assert_problem(refused, 503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/health/live")).status_code == 200
        leave.set()
        assert (await first).status_code == 200
        assert (await client.get("/slow")).status_code == 200


async def test_named_errors_are_problems_of_their_kind(store: SmallStore) -> None:
    """409 with the slice's code; Retry-After and the position where they help."""
    async with store.client(store.key()) as client:
        assert_problem(await client.get("/failures/conflict"), 409, "isbn_taken")
        in_flight = await client.get("/failures/in-flight")
        missing = await client.get("/failures/missing")
    assert_problem(in_flight, 409, "idempotency_key_in_flight")
    assert in_flight.headers["retry-after"] == "3"
    assert_problem(missing, 404, "not_found")
    assert missing.headers["shelfwise-position"] == "12"


async def test_a_bug_shows_a_request_id_and_nothing_else(store: SmallStore) -> None:
    """500 is a bug, always."""
    async with store.client(store.key()) as client:
        response = await client.get("/failures/bug")
    problem = assert_problem(response, 500, "internal_error")
    assert problem["errors"] == []
    for leak in ("ZeroDivision", "hunter2", "sw_live_", "Traceback"):
        assert leak not in response.text


async def test_a_websocket_is_refused(store: SmallStore) -> None:
    """There are none; nothing of the HTTP doors can be walked around by asking for one."""
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/seen", "headers": [], "query_string": b"", "root_path": "", "scheme": "ws"}
    await store.app(scope, receive, send)  # type: ignore[arg-type]  # a scope as a server gives it
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("path", ["/failures/a%00b", "/sales/%00", "/seen?q=%00", "/nowhere/%00"])
async def test_a_nul_in_the_address_is_a_400(store: SmallStore, path: str) -> None:
    """It would reach PostgreSQL as a parameter, and end in a 500."""
    async with store.client(store.key()) as client:
        assert_problem(await client.get(path), 400, "malformed")
