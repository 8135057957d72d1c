"""Every process that is watched, behind doors where that helps, and what Prometheus would scrape of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import msgspec

from shared_kernel.access.api_keys import new_api_key
from tests.alerts.promql import History, Scrape, evaluate
from tests.alerts.rules import rules
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, line
from tests.builders.projecting import projected
from tests.eventually import eventually
from tests.read_side.query_execution.proxy import Proxy, proxy_to
from tests.servers import Servers
from tests.system.house import Deployable, start_projector, start_reactions, start_read_api, start_write_api

RULES = rules()
STORE = UUID(int=(9 << 120) + 3)
_JOBS = {
    "read_side": "shelfwise-read-api",
    "write_side": "shelfwise-write-api",
    "projector": "shelfwise-projector",
    "reactions": "shelfwise-reactions",
}
_SCRAPE_SECONDS = 1.0
_WITHIN_SECONDS = 60.0


class Plant:
    """Both APIs behind doors, and both workers; what Prometheus would scrape of them."""

    def __init__(
        self, servers: Servers, doors: dict[str, Proxy], deployables: list[Deployable], client: httpx.AsyncClient
    ) -> None:
        self.servers = servers
        self.doors = doors
        self.read_api, self.write_api, self.projector, self.reactions = deployables
        self._client = client
        self._log = OrderLog(STORE)

    async def sell(self) -> None:
        """An order recorded long ago: what shows it late is late at once."""
        before = len(self._log.events)
        self._log.place(f"order {before}", [line(EMMA)])
        await write_log(self.servers.write_admin_url, self._log.events[before:])

    async def scrape(self) -> tuple[Scrape, ...]:
        """All of them, at once."""
        processes = (self.read_api, self.write_api, self.projector, self.reactions)
        return tuple(await asyncio.gather(*map(self._scrape, processes)))

    async def _scrape(self, one: Deployable) -> Scrape:
        try:
            text: str | None = (await self._client.get(f"{one.url}/metrics")).text
        except httpx.TransportError:
            text = None
        return Scrape(at=0.0, job=_JOBS[one.name], text=text)

    async def until(self, *alerts: str, hold: bool = True) -> tuple[Scrape, ...]:
        """The first scrape in which the conditions of all these hold, or none of them does."""

        async def look() -> tuple[tuple[Scrape, ...], set[str]]:
            scrapes = await self.scrape()
            return scrapes, {name for name in alerts if evaluate(RULES[name].expr, History(scrapes), 1.0)}

        wanted = set(alerts) if hold else set()
        return (await eventually(look, lambda seen: seen[1] == wanted, within_seconds=_WITHIN_SECONDS))[0]

    async def is_followed(self) -> bool:
        """Whether the reactions know the store."""
        async with connected(self.servers.write_admin_url) as write:
            return bool(await write.fetchval("SELECT EXISTS (SELECT FROM reaction.checkpoint)"))

    async def fail_commands(self) -> None:
        """Commands that wait for a database that hangs, and are answered with 503."""
        headers = {"Authorization": f"Bearer {new_api_key()}", "Idempotency-Key": "k"}
        async with httpx.AsyncClient(timeout=30) as client:
            paths = [f"{self.write_api.url}/api/v1/{path}" for path in ("orders", "locations")]
            await asyncio.gather(*(client.post(path, headers=headers, json={}) for path in paths * 5))


@asynccontextmanager
async def opened_plant(servers: Servers, folder: Path) -> AsyncIterator[Plant]:
    """Ready, with one order shown."""
    async with AsyncExitStack() as stack:
        urls = {"write": servers.write_admin_url, "read": servers.read_admin_url, "redis": servers.redis_url}
        doors = {name: await stack.enter_async_context(proxy_to(url)) for name, url in urls.items()}
        behind = msgspec.structs.replace(
            servers,
            write_admin_url=doors["write"].url(urls["write"]),
            read_admin_url=doors["read"].url(urls["read"]),
            redis_url=doors["redis"].url(urls["redis"]),
        )
        started = [start_read_api(behind, folder), start_write_api(behind, folder), start_projector(servers, folder)]
        started += [start_reactions(servers, folder)]
        for one in started:
            stack.push_async_callback(asyncio.to_thread, one.end)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=_SCRAPE_SECONDS))
        plant = Plant(servers, doors, started, client)
        await plant.sell()
        await projected(servers)
        await eventually(plant.is_followed, within_seconds=_WITHIN_SECONDS)
        yield plant


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of the administrator's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
