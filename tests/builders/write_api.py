"""The command API as a server runs it, asked over ASGI, with a key to its store."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar

from shared_kernel.access.roles import Role
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.http.app_factory import Application
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.tenancy import Tenant
from tests.builders.sandbox import CALLBACK_SECRET
from tests.builders.write_side import WriteSide, open_write_side
from tests.servers import Servers
from write_side.app import Overrides, WriteApiSettings, create_app
from write_side.tenants.administration import issue_key
from write_side.tenants.commands import IssuedKey, IssueKey

ROOMY = RateLimitSettings(
    tenant_per_minute=600_000,
    tenant_burst=100_000,
    key_per_minute=600_000,
    key_burst=100_000,
    address_per_minute=600_000,
    address_burst=100_000,
)
_keys = count(1)


class WriteApi:
    """A client of the command API, as an owner of a store."""

    def __init__(self, *, client: httpx.AsyncClient, write_side: WriteSide, key: IssuedKey) -> None:
        self.client = client
        self.write_side = write_side
        self.key = key

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
    ) -> httpx.Response:
        """Ask; with an Idempotency-Key of its own unless told otherwise (None: without)."""
        fields = {"Authorization": f"Bearer {api_key or self.key.key}", **(headers or {})}
        if key is not None:
            fields["Idempotency-Key"] = key or f"key-{next(_keys)}"
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=fields)

    async def post(self, path: str, body: object, **options: Any) -> httpx.Response:  # noqa: ANN401 - those of send
        """Ask by POST."""
        return await self.send("POST", path, body, **options)

    async def another(self, *, tenant: Tenant | None = None, role: Role = Role.OWNER) -> "WriteApi":
        """The same API, asked by another principal, perhaps of another store."""
        side = self.write_side if tenant is None else self.write_side.as_tenant(tenant)
        return WriteApi(client=self.client, write_side=side, key=await _key(side, role))


@asynccontextmanager
async def open_write_api(
    servers: Servers, *, limits: RateLimitSettings = ROOMY, redis_url: str | None = None
) -> AsyncIterator[WriteApi]:
    """The API on the test's own servers."""
    settings = WriteApiSettings(
        write_database_url=servers.url_as(DatabaseRole.WRITE_API),
        redis_url=redis_url or servers.redis_url,
        secret_key=servers.secret_key,
        webhooks_allow_loopback=True,
        payment_callback_secret=CALLBACK_SECRET,
    )
    app = create_app(settings, Overrides(limits=limits))
    async with open_write_side(servers) as write_side, running_client(app) as client:
        yield WriteApi(client=client, write_side=write_side, key=await _key(write_side, Role.OWNER))


@asynccontextmanager
async def running_client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that lives as long as the block."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]  # it is ASGI
    async with _running(app.litestar), httpx.AsyncClient(transport=transport, base_url="http://store") as client:
        yield client


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """The lifespan, in one task from beginning to end: a fixture's two halves may run in two."""
    started, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ending.wait()

    living = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({living, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    waiting.cancel()
    try:
        yield
    finally:
        ending.set()
        await living


async def _key(write_side: WriteSide, role: Role) -> IssuedKey:
    command = IssueKey(name="test", role=role)
    return await issue_key(
        write_side.execution, write_side.tenant, command, secret_key=write_side.servers.secret_key, actor="test"
    )


def money(amount_minor: int) -> dict[str, object]:
    """British money as a body holds it."""
    return {"amount_minor": amount_minor, "currency": "GBP"}


EDITION: dict[str, object] = {
    "title": "Emma",
    "contributors": [{"name": "Jane Austen", "role": "author"}],
    "format": "paperback",
    "list_price": money(899),
}
"""An edition that lacks only its ISBN or SKU."""


def receipt(location_id: UUID | str, edition_id: UUID | str, quantity: int) -> dict[str, object]:
    """A delivery of one line."""
    line = {"edition_id": str(edition_id), "quantity": quantity, "unit_cost": money(500)}
    return {"location_id": str(location_id), "lines": [line]}


def order(location_id: UUID | str, *lines: tuple[UUID | str, int]) -> dict[str, object]:
    """An order at the till."""
    wanted = [{"edition_id": str(edition_id), "quantity": quantity} for edition_id, quantity in lines]
    return {"location_id": str(location_id), "channel": "pos", "lines": wanted}


async def shelf(write_api: WriteApi) -> tuple[str, str]:
    """A location with twenty copies of one edition at 8.99."""
    location = made(await write_api.post("/locations", {"name": "Main street", "kind": "shop"}))["id"]
    edition = made(await write_api.post("/editions", EDITION | {"sku": "EMMA"}))["id"]
    made(await write_api.post("/stock/receipts", receipt(location, edition, 20)))
    return location, edition


def made(answer: httpx.Response, *, status: int = 201) -> dict[str, Any]:
    """What an answer of this status holds: the data of a success, the whole of a problem."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body if status >= 400 else dict(body["data"])
