"""A query API over the tests' own view, with doors to its servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from read_side.app import Overrides, ReadApiSettings, create_app
from read_side.query_execution.waking import Pauses
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.http.app_factory import Application
from shared_kernel.rate_limits.settings import RateLimitSettings
from tests.eventually import eventually
from tests.read_side.query_execution.books import ROUTES, Reads
from tests.read_side.query_execution.proxy import Proxy, proxy_to
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

GENEROUS = RateLimitSettings(
    tenant_per_minute=600_000,
    tenant_burst=100_000,
    key_per_minute=600_000,
    key_burst=100_000,
    address_per_minute=600_000,
    address_burst=100_000,
)


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """The running application, its doors, and who projects."""

    app: Application
    client: httpx.AsyncClient
    shelf: Shelf
    redis: Proxy
    read_database: Proxy
    write_database: Proxy

    async def get(self, path: str, key: str, **headers: Any) -> httpx.Response:  # noqa: ANN401 - header values
        """GET as the owner of a key; header names are written with underscores."""
        fields = {name.replace("_", "-"): f"{value}" for name, value in headers.items()}
        return await self.client.get(path, headers={"Authorization": f"Bearer {key}", **fields})

    async def reaches_redis(self, key: str, path: str = "/total") -> None:
        """Return once the application is connected."""

        async def connected() -> bool:
            before = self.redis.chunks
            await self.get(path, key)
            return self.redis.chunks > before

        await eventually(connected)


@pytest.fixture
def overrides() -> Overrides:
    """What tests change; who waits looks often, since nobody here says what is shown."""
    return Overrides(routes=ROUTES, limits=GENEROUS, pauses=Pauses(first_heard=0.002, last_heard=0.05))


@pytest.fixture
async def api(servers: Servers, overrides: Overrides) -> AsyncIterator[Api]:
    """The application, connected to everything."""
    Reads.count = 0
    shelf = Shelf(servers)
    await shelf.prepare()
    async with running_api(servers, shelf, overrides) as running:
        yield running


@asynccontextmanager
async def running_api(servers: Servers, shelf: Shelf, overrides: Overrides) -> AsyncIterator[Api]:
    """The application behind its doors, for the block."""
    read_url = servers.url_as(DatabaseRole.READ_API)
    write_url = servers.url_as(DatabaseRole.READ_API, read=False)
    async with AsyncExitStack() as stack:
        redis, read, write = [
            await stack.enter_async_context(proxy_to(url)) for url in (servers.redis_url, read_url, write_url)
        ]
        settings = ReadApiSettings(
            read_database_url=read.url(read_url),
            write_database_url=write.url(write_url),
            redis_url=redis.url(servers.redis_url),
            secret_key=servers.secret_key,
        )
        app = create_app(settings, overrides)
        await stack.enter_async_context(_running(app))
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # httpx has its own idea of ASGI's types
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://api.test/api/v1")
        )
        yield Api(app=app, client=client, shelf=shelf, redis=redis, read_database=read, write_database=write)


@asynccontextmanager
async def _running(app: Application) -> AsyncIterator[None]:
    """The lifespan, in one task from beginning to end: a fixture's two halves may run in two."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.litestar.lifespan():
            started.set()
            await ended.wait()

    task = asyncio.create_task(live())
    starting = asyncio.create_task(started.wait())
    await asyncio.wait({task, starting}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    try:
        yield
    finally:
        ended.set()
        await asyncio.wait_for(task, timeout=30)
