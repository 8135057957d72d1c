"""The query API as a client meets it, over stores whose logs a test wrote."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import msgspec
from litestar.handlers import HTTPRouteHandler

from projections import principal, store
from projections.fold import Projection
from read_side.app import API_PATH, Overrides, ReadApiSettings, create_app
from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.access.roles import Role
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.events.tenants import ApiKeyIssued, StoreOpened
from tests.builders.order_log import OrderLog, id_of
from tests.builders.read_tables import fill_tables
from tests.servers import Servers


class OpenStore(msgspec.Struct, frozen=True, kw_only=True):
    """A store's log, and a key for each role."""

    log: OrderLog
    keys: dict[Role, str]


def opened_store(name: str, secret_key: str) -> OpenStore:
    """A London store that has just opened; what a test appends to its log comes after."""
    log = OrderLog(id_of(name))
    log.append(
        StoreOpened(
            name=name,
            slug=name,
            currency="GBP",
            timezone="Europe/London",
            prices_include_tax=True,
            tax_rates={"zero": 0},
            allowed_origins=(),
        ),
        log.tenant_id,
    )
    keys = {}
    for role in (Role.OWNER, Role.CLERK):
        keys[role] = new_api_key()
        key_id = id_of(f"{name} {role}")
        issued = ApiKeyIssued(
            key_id=key_id,
            principal_id=key_id,
            name=role,
            role=role,
            key_hash=hash_api_key(keys[role], secret_key),
            expires_at=None,
        )
        log.append(issued, key_id)
    return OpenStore(log=log, keys=keys)


@asynccontextmanager
async def open_read_api(
    servers: Servers,
    stores: Iterable[OpenStore],
    *,
    projections: Sequence[Projection[Any]],  # Any: rows of every view
    routes: Sequence[HTTPRouteHandler],
    now: datetime,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the real application, on real servers, at a time the test chooses."""
    logs = [one.log.events for one in stores]
    await fill_tables(servers, [store.PROJECTION, principal.PROJECTION, *projections], logs)
    settings = ReadApiSettings(
        read_database_url=servers.url_as(DatabaseRole.READ_API),
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
    )
    app = create_app(settings, Overrides(routes=routes, clock=lambda: now))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # the same ASGI in other words
    async with (
        app.litestar.lifespan(),
        httpx.AsyncClient(transport=transport, base_url=f"http://test{API_PATH}") as client,
    ):
        yield client


def bearer(one: OpenStore, role: Role = Role.OWNER) -> dict[str, str]:
    """The header that names the store."""
    return {"Authorization": f"Bearer {one.keys[role]}"}
