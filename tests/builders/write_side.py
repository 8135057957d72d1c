"""A write side on a test's own database: command execution, a store, and short ways to give it books and stock."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection, Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.money import Money
from shared_kernel.tenancy import Tenant
from tests.servers import Servers
from write_side.catalog.commands import ContributorEntry, CreateEdition, EditionDecided
from write_side.catalog.handlers import create_edition
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import Answer, CommandRequest, IdempotencyClaim, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.commands import LocationDecided, OpenLocation, ReceiptLine, ReceiveStock
from write_side.inventory.handlers import open_location, receive_stock
from write_side.orders.commands import OrderDecided, OrderLineWanted, PlaceOrder
from write_side.orders.placing import place_order, without_locks
from write_side.tenants.administration import open_store
from write_side.tenants.commands import OpenStore

_numbers = count(1)


class SilentDoorbell:
    """Notes what was rung; nobody listens."""

    def __init__(self) -> None:
        self.rung: list[tuple[UUID, int]] = []

    def ring(self, tenant_id: UUID, position: int) -> None:
        """Note it."""
        self.rung.append((tenant_id, position))


class StoredLogEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the log holds it."""

    position: int
    type: str
    stream_id: UUID
    stream_version: int
    payload: dict[str, object]
    metadata: dict[str, object]


class CountingPool:
    """A pool that notes every statement its connections send."""

    def __init__(self, pool: Pool, trips: list[str]) -> None:
        self._pool = pool
        self._note: Callable[[Any], None] = lambda record: trips.append(record.query)

    async def acquire(self, **options: object) -> Connection:
        """A connection that is listened to."""
        connection: Connection = await self._pool.acquire(**options)
        connection.add_query_logger(self._note)
        return connection

    async def release(self, connection: Connection, **options: object) -> None:
        """Listen no longer."""
        connection.remove_query_logger(self._note)
        await self._pool.release(connection, **options)


class WriteSide:
    """One store, and command execution on its database."""

    def __init__(self, *, servers: Servers, pool: Pool, doorbell: SilentDoorbell, tenant: Tenant) -> None:
        self.servers = servers
        self.pool = pool
        self.doorbell = doorbell
        self.tenant = tenant
        self.execution = CommandExecution(pool=pool, doorbell=doorbell)

    def as_tenant(self, tenant: Tenant) -> "WriteSide":
        """The same write side, acting for another store."""
        return WriteSide(servers=self.servers, pool=self.pool, doorbell=self.doorbell, tenant=tenant)

    def request(self, **changes: object) -> CommandRequest:
        """A request of an owner of this store."""
        request = CommandRequest(tenant=self.tenant, operation="test", actor="owner")
        return msgspec.structs.replace(request, **changes)

    async def run(self, decide: Callable[[UnitOfWork], Awaitable[Outcome]], **changes: object) -> Answer:
        """Execute a handler that already has its command."""
        return await self.execution.execute(self.request(**changes), decide)

    async def another_store(self) -> Tenant:
        """A second store in the same database."""
        return await open_store(self.execution, store_command(), actor="test")

    async def location(self) -> UUID:
        """A shop."""
        answer = await self.run(partial(open_location, OpenLocation(name="Main street", kind="shop")))
        return answer.read(LocationDecided).id

    async def edition(self, *, price_minor: int = 1299, tax_class: str = "zero", publisher: str | None = None) -> UUID:
        """An edition under a SKU of its own."""
        command = edition_command(price_minor=price_minor, tax_class=tax_class, publisher=publisher)
        return (await self.run(partial(create_edition, command))).read(EditionDecided).id

    async def receive(self, location_id: UUID, edition_id: UUID, quantity: int, *, unit_cost_minor: int = 500) -> None:
        """Copies for the shelf."""
        line = ReceiptLine(
            edition_id=edition_id, quantity=quantity, unit_cost=Money(amount_minor=unit_cost_minor, currency="GBP")
        )
        await self.run(partial(receive_stock, ReceiveStock(location_id=location_id, lines=(line,))))

    async def place(self, location_id: UUID, lines: Sequence[tuple[UUID, int]]) -> OrderDecided:
        """An order of editions and quantities."""
        return (await self.run(partial(place_order, order_command(location_id, lines)))).read(OrderDecided)

    async def buy(self, location_id: UUID, lines: Sequence[tuple[UUID, int]], *, key: str, body: str = "") -> Answer:
        """An order under a key, without locks where that goes, as over HTTP."""
        return await buy(self.execution, self.request(idempotency=claim(key, body)), order_command(location_id, lines))

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[list[str]]:
        """The statements sent while the block runs, one a round trip; their text is known to the server by then."""
        trips: list[str] = []
        usual, self.execution = (
            self.execution,
            CommandExecution(pool=CountingPool(self.pool, trips), doorbell=self.doorbell),
        )
        try:
            yield trips
        finally:
            self.execution = usual

    async def log(self) -> list[StoredLogEvent]:
        """The store's events, in order."""
        rows = await self.as_administrator(
            "SELECT position, type, stream_id, stream_version, payload::text, metadata::text"
            " FROM log.event WHERE tenant_id = $1 ORDER BY position",
            self.tenant.id,
        )
        return [
            StoredLogEvent(
                **{
                    **dict(row),
                    "payload": msgspec.json.decode(row["payload"]),
                    "metadata": msgspec.json.decode(row["metadata"]),
                }
            )
            for row in rows
        ]

    async def stock_of(self, location_id: UUID, edition_id: UUID) -> tuple[int, int, int]:
        """On hand, reserved and value of an account."""
        rows = await self.as_administrator(
            "SELECT on_hand, reserved, value_minor FROM write.stock WHERE location_id = $1 AND edition_id = $2",
            location_id,
            edition_id,
        )
        return rows[0]["on_hand"], rows[0]["reserved"], rows[0]["value_minor"]

    async def as_administrator(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Look past row-level security."""
        connection = await asyncpg.connect(self.servers.write_admin_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows
        finally:
            await connection.close()


@asynccontextmanager
async def open_write_side(servers: Servers, *, max_connections: int = 10) -> AsyncIterator[WriteSide]:
    """A write side with one open store."""
    settings = PoolSettings(application_name="tests", max_size=max_connections, acquire_timeout_seconds=10)
    async with build_pool(servers.url_as(DatabaseRole.WRITE_API), settings) as pool:
        doorbell = SilentDoorbell()
        tenant = await open_store(CommandExecution(pool=pool, doorbell=doorbell), store_command(), actor="test")
        opened = WriteSide(servers=servers, pool=pool, doorbell=doorbell, tenant=tenant)
        yield opened
        await opened.execution.aclose()


async def buy(execution: CommandExecution, request: CommandRequest, command: PlaceOrder) -> Answer:
    """The same of any execution."""
    return await execution.execute(request, partial(place_order, command), without_locks=without_locks(command))


def store_command() -> OpenStore:
    """A British store under a slug of its own."""
    return OpenStore(name="Hatchards", slug=f"store-{next(_numbers)}", currency="GBP", timezone="Europe/London")


def edition_command(*, price_minor: int = 1299, tax_class: str = "zero", publisher: str | None = None) -> CreateEdition:
    """An edition under a SKU of its own."""
    return CreateEdition(
        sku=f"SKU-{next(_numbers)}",
        title="Emma",
        contributors=(ContributorEntry(name="Jane Austen", role="author"),),
        format="paperback",
        publisher=publisher,
        list_price=Money(amount_minor=price_minor, currency="GBP"),
        tax_class=tax_class,
    )


def order_command(location_id: UUID, lines: Sequence[tuple[UUID, int]]) -> PlaceOrder:
    """An order at the till."""
    wanted = tuple(OrderLineWanted(edition_id=edition_id, quantity=quantity) for edition_id, quantity in lines)
    return PlaceOrder(location_id=location_id, channel="pos", lines=wanted)


def claim(key: str, request: str = "request") -> IdempotencyClaim:
    """A claim of a key for a request."""
    return IdempotencyClaim(key_digest=_hex(key), request_digest=_hex(request))


def _hex(text: str) -> str:
    return text.encode().hex().ljust(64, "0")[:64]
