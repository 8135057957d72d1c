"""A small application with one route of each sort, assembled as both sides are, and clients to ask it with."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.access.roles import MANAGE_CATALOGUE, READ_FIGURES, READ_OPERATIONS, SELL, Role
from shared_kernel.errors import ConflictError, InFlightError, NotFoundError
from shared_kernel.http.app_factory import Application, build_app
from shared_kernel.http.authentication import Authentication
from shared_kernel.http.context import current_principal, current_request
from shared_kernel.http.door import DoorSettings
from shared_kernel.http.envelope import (
    CommandEnvelope,
    CommandReply,
    Envelope,
    command_body,
    command_response,
    envelope_bytes,
    query_response,
)
from shared_kernel.http.health import Health
from shared_kernel.http.routes import declare
from shared_kernel.identifiers import new_id
from shared_kernel.observability.metrics import Metrics
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.tenancy import Tenant, current_tenant

SECRET_KEY = "a-secret-of-the-installation-under-test"  # noqa: S105  # of this test only
LEAK = "a bug that knows sw_live_" + "a" * 38 + " and postgresql://role:hunter2@db/x"
ORIGIN = "https://shop.example"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROOMY = RateLimitSettings(address_per_minute=60_000, address_burst=10_000)


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a sale."""

    edition_id: UUID
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100)]


class Sell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command with every sort of field."""

    location_id: UUID
    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=500)]
    channel: Annotated[str, msgspec.Meta(pattern="^(web|pos)$")] = "web"
    note: str | None = None


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """What selling answers."""

    id: UUID
    lines: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler finds in its context."""

    tenant: str
    actor: str
    request_id: str
    traceparent: str


class IsbnTaken(ConflictError):
    """A named error of a slice."""

    code = "isbn_taken"


@post("/sales", opt=declare(policy=SELL, idempotency="required", errors=(IsbnTaken,)))
async def sell(data: JSONBody[Sell]) -> Response[CommandEnvelope[Sold]]:
    """Sell it."""
    sold = Sold(id=new_id(), lines=len(data.lines))
    reply = CommandReply(status=201, body=command_body(sold), location=f"/sales/{sold.id}", version=1, position=7)
    return command_response(reply)


@patch("/sales/{sale_id:uuid}", opt=declare(policy=MANAGE_CATALOGUE, if_match="required"))
async def revise(sale_id: FromPath[UUID], data: JSONBody[dict[str, int]]) -> Response[CommandEnvelope[Sold]]:
    """Revise it."""
    return command_response(CommandReply(status=200, body=command_body(Sold(id=sale_id, lines=len(data))), version=2))


@get("/sales/{sale_id:uuid}", opt=declare(policy=READ_OPERATIONS))
async def show(sale_id: FromPath[UUID], times: FromQuery[int] = 1) -> Response[Envelope[list[UUID]]]:
    """Show it so many times."""
    return query_response(envelope_bytes(msgspec.json.encode([sale_id] * times)), position=7)


@get("/seen", opt=declare(policy=READ_FIGURES))
async def seen() -> Response[Envelope[Seen]]:
    """Say what is in context."""
    context = current_request()
    found = Seen(
        tenant=str(current_tenant().id),
        actor=str(current_principal().id),
        request_id=context.request_id,
        traceparent=context.traceparent,
    )
    return query_response(envelope_bytes(msgspec.json.encode(found)), position=41)


@get("/failures/{name:str}", opt=declare(policy=READ_OPERATIONS))
async def fail(name: FromPath[str]) -> Response[Envelope[None]]:
    """Fail as asked."""
    match name:
        case "conflict":
            raise IsbnTaken("This ISBN is taken.")
        case "in-flight":
            raise InFlightError("Still at it.", retry_after_seconds=3)
        case "missing":
            raise NotFoundError("There is no such sale.", position=12)
        case _:
            raise ZeroDivisionError(LEAK)


HANDLERS: tuple[ControllerRouterHandler, ...] = (sell, revise, show, seen, fail)


class SmallStore:
    """The application, and the keys that open it."""

    def __init__(
        self,
        *,
        handlers: Sequence[ControllerRouterHandler] = HANDLERS,
        door: DoorSettings | None = None,
        health: Health | None = None,
        body_deadline_seconds: float = 5.0,
        is_known_origin: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self.principals: dict[str, Principal] = {}
        self.lookups = 0
        self.metrics = Metrics()
        self.app: Application = build_app(
            handlers,
            door=door or DoorSettings(rate_limits=ROOMY),
            metrics=self.metrics,
            health=health or Health(),
            authentication=Authentication(
                authenticate=self._authenticate, cache=PrincipalCache(), secret_key=SECRET_KEY, clock=lambda: NOW
            ),
            is_known_origin=is_known_origin or self._is_known_origin,
            body_deadline_seconds=body_deadline_seconds,
        )

    def key(
        self,
        role: Role = Role.OWNER,
        *,
        expires_at: datetime | None = None,
        allowed_origins: tuple[str, ...] = (),
    ) -> str:
        """A new key of a new store."""
        key = new_api_key()
        self.principals[hash_api_key(key, SECRET_KEY)] = Principal(
            id=new_id(),
            key_id=new_id(),
            role=role,
            store=Tenant(id=new_id(), slug="small", currency="GBP", timezone="Europe/London"),
            expires_at=expires_at,
            allowed_origins=allowed_origins,
        )
        return key

    def principal(self, key: str) -> Principal:
        """Who a key's owner is."""
        return self.principals[hash_api_key(key, SECRET_KEY)]

    @asynccontextmanager
    async def client(self, key: str | None = None, *, address: str = "192.0.2.1") -> AsyncIterator[httpx.AsyncClient]:
        """A client with a key, from an address."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 50_000), raise_app_exceptions=False)  # type: ignore[arg-type]  # httpx types ASGI more loosely than Litestar
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://small.example", headers=headers) as opened:
            yield opened

    async def _authenticate(self, key_hash: str) -> Principal | None:
        self.lookups += 1
        return self.principals.get(key_hash)

    async def _is_known_origin(self, origin: str) -> bool:
        return any(origin in principal.allowed_origins for principal in self.principals.values())


def a_sale(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON, valid or not
    """A valid body of `sell`, with some fields changed."""
    return {
        "location_id": str(new_id()),
        "lines": [{"edition_id": str(new_id()), "quantity": 2}],
        **changes,
    }


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that it is a problem of ours with every member; return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == problem["error"] == code
    assert problem["success"] is False
    assert problem["data"] is None
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["type"] == f"urn:shelfwise:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    return problem
