"""Stores in a running installation, opened from inside the house and visited over HTTP, as their owners do."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.doorbell import RedisDoorbell, decode_job, encode_job
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.tenancy import Tenant
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.house import House
from write_side.command_execution.execution import CommandExecution
from write_side.tenants.administration import issue_key, open_store, revoke_key
from write_side.tenants.commands import IssuedKey, IssueKey, OpenStore

API_PATH = "/api/v1"
_numbers = count(1)


class Inside:
    """What the command line can do in an installation: open stores, hand out keys and end them."""

    def __init__(self, *, execution: CommandExecution, redis: MultiplexedRedis, secret_key: str) -> None:
        self._execution = execution
        self._redis = redis
        self._secret_key = secret_key

    async def open_store(self) -> Tenant:
        """A London store."""
        number = next(_numbers)
        command = OpenStore(name=f"Store {number}", slug=f"store-{number}", currency="GBP", timezone="Europe/London")
        return await open_store(self._execution, command, actor="tests")

    async def issue_key(self, tenant: Tenant, role: Role = Role.OWNER) -> IssuedKey:
        """A new principal's."""
        command = IssueKey(name=f"{role} of the tests", role=role)
        return await issue_key(self._execution, tenant, command, secret_key=self._secret_key, actor="tests")

    async def revoke_key(self, tenant: Tenant, key: IssuedKey) -> None:
        """At once."""
        revocations = RevocationMessages(self._redis)
        await revoke_key(self._execution, tenant, key.id, revocations=revocations, actor="tests")


@asynccontextmanager
async def inside(servers: Servers) -> AsyncIterator[Inside]:
    """With the write side's own way to run commands, doorbell included."""
    async with AsyncExitStack() as stack:
        settings = PoolSettings(application_name="tests", max_size=2)
        pool = await stack.enter_async_context(build_pool(servers.url_as(DatabaseRole.WRITE_API), settings))
        redis = await stack.enter_async_context(MultiplexedRedis.from_url(servers.redis_url, client_name="tests"))
        await redis.connect()
        connections = ConnectionPool.from_url(servers.redis_url)
        stack.push_async_callback(connections.disconnect)
        jobs = ArqRedis(connections, job_serializer=encode_job, job_deserializer=decode_job)
        doorbell = RedisDoorbell(redis, jobs)
        stack.push_async_callback(doorbell.aclose)
        execution = CommandExecution(pool=pool, doorbell=doorbell)
        stack.push_async_callback(execution.aclose)
        yield Inside(execution=execution, redis=redis, secret_key=servers.secret_key)


class Visitor:
    """Somebody with a key, who asks both APIs."""

    def __init__(self, *, house: House, client: httpx.AsyncClient, tenant: Tenant, key: str) -> None:
        self.house = house
        self.client = client
        self.tenant = tenant
        self.key = key

    def with_key(self, key: str) -> "Visitor":
        """The same store, another key."""
        return Visitor(house=self.house, client=self.client, tenant=self.tenant, key=key)

    async def post(
        self, path: str, body: object, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A command, with an Idempotency-Key of its own unless one is given."""
        return await self.command(
            "POST", path, body, {"Idempotency-Key": key or f"key-{next(_numbers)}", **(headers or {})}
        )

    async def command(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A command by any method, with these headers only."""
        fields = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        url = f"{self.house.write_api.url}{API_PATH}{path}"
        return await self.client.request(method, url, json=body, headers=fields)

    async def get(
        self, path: str, *, at: int | None = None, wait: int = 2, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A query, that waits for a position where one is given."""
        fields = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        if at is not None:
            fields |= {"ShelfWise-Min-Position": f"{at}", "Prefer": f"wait={wait}"}
        return await self.client.get(f"{self.house.read_api.url}{API_PATH}{path}", headers=fields)

    async def ask(self, path: str, *, at: int | None = None, wait: int = 5) -> Any:  # noqa: ANN401  # JSON
        """A query that succeeds: its `data`."""
        return good(await self.get(path, at=at, wait=wait))

    async def location(self, name: str = "Main street", kind: str = "shop") -> str:
        """A new place for stock."""
        return str(good(await self.post("/locations", {"name": name, "kind": kind}))["id"])

    async def edition(self, *, price_minor: int = 1299, tax_class: str = "zero", title: str = "Emma") -> str:
        """A new edition under a SKU of its own."""
        body = {
            "sku": f"SKU-{next(_numbers)}",
            "title": title,
            "contributors": [{"name": "Jane Austen", "role": "author"}],
            "format": "paperback",
            "list_price": money(price_minor),
            "tax_class": tax_class,
        }
        return str(good(await self.post("/editions", body))["id"])

    async def receive(self, location_id: str, edition_id: str, quantity: int, *, unit_cost_minor: int = 500) -> int:
        """Copies for the shelf; the position."""
        line = {"edition_id": edition_id, "quantity": quantity, "unit_cost": money(unit_cost_minor)}
        return position(await self.post("/stock/receipts", {"location_id": location_id, "lines": [line]}))

    async def shelf(self, quantity: int = 1000) -> tuple[str, str]:
        """A location and an edition with so many copies there, which the read side shows."""
        location_id, edition_id = await self.location(), await self.edition()
        await self.ask(f"/stock/{edition_id}", at=await self.receive(location_id, edition_id, quantity))
        return location_id, edition_id


@asynccontextmanager
async def open_shop(house: House, role: Role = Role.OWNER) -> AsyncIterator[Visitor]:
    """A new store and its owner, whom both sides know by the time the block begins."""
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=60)) as client:
        async with inside(house.servers) as administration:
            tenant = await administration.open_store()
            key = await administration.issue_key(tenant, role)
        visitor = Visitor(house=house, client=client, tenant=tenant, key=key.key)
        await eventually(lambda: visitor.get("/store"), lambda answer: answer.status_code == 200)
        yield visitor


def good(answer: httpx.Response) -> Any:  # noqa: ANN401  # JSON
    """The `data` of a success."""
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()["data"]


def position(answer: httpx.Response) -> int:
    """Where a successful command's effect is in the log, or up to where a query shows it."""
    good(answer)
    return int(answer.headers["ShelfWise-Position"])


def money(amount_minor: int) -> dict[str, object]:
    """British money, as a body holds it."""
    return {"amount_minor": amount_minor, "currency": "GBP"}


def order(location_id: str | UUID, *lines: tuple[str, int], channel: str = "web") -> dict[str, object]:
    """An order of editions and quantities."""
    wanted = [{"edition_id": edition_id, "quantity": quantity} for edition_id, quantity in lines]
    return {"location_id": str(location_id), "channel": channel, "lines": wanted}
