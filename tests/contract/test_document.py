"""The one document of both sides: it is what the code says, it lacks nothing, and its names can be lived with."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator

from operations.contract import build_contract
from read_side.app import ReadApiSettings
from read_side.app import create_app as create_read_app
from read_side.contract import CONTRACT_FILE
from read_side.routes import ROUTES as QUERIES
from shared_kernel.errors import ShelfWiseError
from shared_kernel.http.routes import declaration_of
from tests.contract.document import DOCUMENT, OPERATIONS, Operation, resolve
from write_side.routes import ROUTES as COMMANDS

_EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
_ALWAYS = {"400", "401", "403", "406", "429", "500", "503"}
_WITH_BODY = {"408", "413", "415", "422"}
_CONTRACT_HEADERS = {
    "X-Request-Id",
    "traceparent",
    "Accept-Encoding",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "ShelfWise-Dry-Run",
    "ShelfWise-Min-Position",
    "Prefer",
}
_ANSWER_HEADERS = {
    "X-Request-Id",
    "ETag",
    "Location",
    "Link",
    "Idempotent-Replayed",
    "ShelfWise-Position",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "Content-Encoding",
    "Vary",
}


def test_the_committed_document_is_what_the_routes_say() -> None:
    """`make contract` writes it anew."""
    assert CONTRACT_FILE.read_bytes() == build_contract(), "run `make contract` and commit what it writes"


def test_every_route_of_both_sides_is_in_it() -> None:
    """By its handler's name; but for the provider's own, which no client calls."""
    handlers = {handler.handler_name for handler in (*QUERIES, *COMMANDS)}
    assert {operation.name for operation in OPERATIONS} == handlers - {"receive_callback"}


def test_every_header_of_the_contract_is_in_it() -> None:
    """Those that are sent, and those that are answered."""
    sent = {entry["name"] for operation in OPERATIONS for entry in operation.parameters() if entry["in"] == "header"}
    answered = {
        name
        for operation in OPERATIONS
        for response in operation.described["responses"].values()
        for name in response.get("headers", {})
    }

    assert sent == _CONTRACT_HEADERS
    assert answered == _ANSWER_HEADERS


def test_every_named_error_of_both_sides_is_in_it() -> None:
    """A code that a client could get and not look up is found here."""
    text = CONTRACT_FILE.read_text()
    # A kind's own code, two that no operation answers, and one that only the payment provider gets.
    unseen = {"conflict", "method_not_allowed", "not_ready", "callback_not_trusted"}

    missing = {kind.code for kind in _kinds() if f"`{kind.code}`" not in text}

    assert missing <= unseen | _from_inside()


def _kinds() -> Iterator[type[ShelfWiseError]]:
    pending = [ShelfWiseError]
    while pending:  # bounded: classes form a tree
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        if kind is not ShelfWiseError and kind.__module__.split(".")[0] in {"read_side", "write_side", "shared_kernel"}:
            yield kind


def _from_inside() -> set[str]:
    """Codes of errors that only commands without a route of their own can raise: stores, keys, imports, sagas."""
    inside = ("write_side.tenants", "write_side.order_saga")
    return {kind.code for kind in _kinds() if kind.__module__.startswith(inside)}


@_EVERY
def test_an_operation_is_described(operation: Operation) -> None:
    """Its name, its subject, a summary, the key it asks for, and who may."""
    described = operation.described
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,40}", operation.name)
    assert described["tags"] == [operation.path.split("/")[3]]
    assert 5 <= len(described["summary"]) <= 60
    assert described["description"]
    assert described["security"] == [{"bearer": []}]
    assert described["x-roles"]
    assert described["x-cost"] >= 1


_ENVELOPED = pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if not one.is_stream], ids=lambda operation: operation.name
)


def test_one_operation_streams() -> None:
    """Events have no envelope, and no tag: each has an id of its own."""
    (stream,) = (operation for operation in OPERATIONS if operation.is_stream)
    assert stream.name == "live"
    assert set(stream.described["responses"]["200"]["content"]) == {"text/event-stream"}
    assert {"X-Request-Id", "RateLimit"} <= set(stream.described["responses"]["200"]["headers"])


@_ENVELOPED
def test_an_operation_says_how_it_succeeds(operation: Operation) -> None:
    """In an envelope whose schema leads somewhere."""
    responses = operation.described["responses"]
    succeeding = {status: responses[status] for status in responses if status.startswith("2")}

    assert succeeding
    for response in succeeding.values():
        schema = resolve(response["content"]["application/json"]["schema"])
        assert set(schema["properties"]) == {"success", "data", "error", "meta"}
        assert {"X-Request-Id", "ShelfWise-Position", "RateLimit", "ETag"} <= set(response["headers"])
    assert ("304" in responses) is operation.is_query
    assert operation.is_query or "200" in responses


@_EVERY
def test_an_operation_says_how_it_fails(operation: Operation) -> None:
    """With a problem for each status that follows from what it takes."""
    responses = operation.described["responses"]
    expected = set(_ALWAYS)
    sent = {entry["name"] for entry in operation.parameters()}
    expected |= {"404"} if operation.path_names() else set()
    expected |= {"422"} if operation.is_query else _WITH_BODY
    expected |= {"409"} if "Idempotency-Key" in sent else set()
    expected |= {"412"} if "If-Match" in sent else set()
    expected |= {"428"} if any(e["name"] == "If-Match" and e["required"] for e in operation.parameters()) else set()

    failing = {status: response for status, response in responses.items() if status >= "4"}

    assert set(failing) >= expected
    for status, response in failing.items():
        assert response["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        assert re.search(r"Codes: `[a-z_`, ]+`\.$", response["description"]), status


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_a_schema_is_sound_and_has_a_short_name(name: str) -> None:
    """Draft 2020-12, as OpenAPI 3.1 says."""
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]{2,39}", name)
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_nothing_dangles_and_nothing_is_left_over() -> None:
    """Every reference leads somewhere, and every schema is led to."""
    references = set(_references(DOCUMENT))
    for reference in references:
        resolve({"$ref": reference})

    assert {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]} <= references


def test_policies_in_it_are_those_declared() -> None:
    """Who may is said by the route itself."""
    declared = {handler.handler_name: declaration_of(handler).policy for handler in (*QUERIES, *COMMANDS)}

    for operation in OPERATIONS:
        policy = declared[operation.name]
        assert operation.described["x-roles"] == sorted(role.value for role in policy.roles)
        assert operation.described["x-access-policy"] == policy.name


async def test_the_query_api_serves_it_without_a_key() -> None:
    """As a document and as a page."""
    settings = ReadApiSettings(
        read_database_url="postgresql://nobody@127.0.0.1:1/none", redis_url="redis://127.0.0.1:1", secret_key="s" * 32
    )
    app = create_read_app(settings)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # the same ASGI in other words
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        served = await client.get("/schema/openapi.json")
        page = await client.get("/schema")

    assert served.headers["content-type"] == "application/json"
    assert msgspec.json.decode(served.content) == DOCUMENT
    assert page.headers["content-type"].startswith("text/html")
    for operation in OPERATIONS:
        assert operation.path in page.text


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
