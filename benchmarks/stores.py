"""Stores to measure on: written by COPY, as the write side would have left them, with their history in the log."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from benchmarks.catalogue import PRICE_MINOR, edition, edition_row
from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.events.envelope import Event, Metadata, StoreTime
from shared_kernel.events.inventory import LocationOpened, StockReceived
from shared_kernel.events.orders import OrderedLine, OrderPlaced
from shared_kernel.events.registry import encode_payload
from shared_kernel.events.tenants import ApiKeyIssued, StoreOpened
from shared_kernel.identifiers import new_id
from shared_kernel.log.partitions import shard_of

ON_HAND = 10_000_000
"""Copies of each edition: nobody runs out while measuring."""
COST_MINOR = 600
LINES = 3
_DISCOUNTS_MINOR = (0, 0, 0, 50, 125, 200)
_COPY_ROWS = 20_000
_encode = msgspec.json.Encoder().encode

Row = tuple[object, ...]


class BenchStore(msgspec.Struct, frozen=True, kw_only=True):
    """A store, a key of its owner, what it sells where, and up to when its history goes."""

    tenant_id: UUID
    key: str
    location_id: UUID
    edition_ids: tuple[UUID, ...]
    orders: int
    written_at: datetime

    @property
    def authorization(self) -> dict[str, str]:
        """The header that names the store."""
        return {"Authorization": f"Bearer {self.key}"}


class StoreLog:
    """One store's events, as rows of the log; positions and stream versions follow by themselves."""

    def __init__(self, tenant_id: UUID, *, position: int = 0) -> None:
        self.tenant_id = tenant_id
        self.position = position
        self.rows: list[Row] = []

    def append(self, event: Event, stream_id: UUID, *, at: datetime, version: int = 1) -> None:
        """Record an event of a stream at a time, which is the store's own."""
        self.position += 1
        kind = type(event)
        time = StoreTime(date=at.date(), hour=at.hour, utc_offset_minutes=0)
        self.rows.append(
            (
                self.tenant_id,
                self.position,
                new_id(),
                kind.stream_type,
                stream_id,
                version,
                kind.__name__,
                kind.schema_version,
                encode_payload(event),
                _encode(Metadata(actor="benchmark", store_time=time)).decode(),
                at,
                at,
            )
        )

    def take(self) -> list[Row]:
        """The rows so far, forgotten here."""
        rows, self.rows = self.rows, []
        return rows


def placed(store: BenchStore, number: int, *, pick: random.Random) -> OrderPlaced:
    """An order of three lines."""
    lines = tuple(_line(edition_id, pick=pick) for edition_id in pick.sample(store.edition_ids, LINES))
    total = sum(line.total_minor for line in lines)
    return OrderPlaced(
        order_id=new_id(),
        number=f"SW-{number:010d}",
        location_id=store.location_id,
        location_name="Main street",
        channel="web" if number % 3 else "pos",
        currency="GBP",
        lines=lines,
        item_count=sum(line.quantity for line in lines),
        net_minor=total,
        tax_minor=0,
        total_minor=total,
        status="placed",
        source=None,
    )


def _line(edition_id: UUID, *, pick: random.Random) -> OrderedLine:
    """Some copies, some of them at less than their price: no two days have the same figures. Books bear no tax."""
    mark = edition_id.hex[-8:]
    quantity, discount = pick.randint(1, 3), pick.choice(_DISCOUNTS_MINOR)
    total = PRICE_MINOR * quantity - discount
    return OrderedLine(
        line_id=new_id(),
        edition_id=edition_id,
        sku=f"SKU-{mark}",
        title=f"The Book of {mark}",
        authors=(f"Author {mark[-2:]}",),
        quantity=quantity,
        unit_price_minor=PRICE_MINOR,
        discount_minor=discount,
        net_minor=total,
        tax_minor=0,
        total_minor=total,
        cost_minor=COST_MINOR * quantity,
        tax_rate_basis_points=0,
    )


def times(count: int, *, days: int, until: datetime | None = None) -> Iterator[datetime]:
    """As many times, evenly over so many days up to then or now, in order."""
    start = (until or datetime.now(UTC)) - timedelta(days=days)
    step = timedelta(days=days) / max(1, count)
    return (start + step * index for index in range(count))


async def write_stores(admin_url: str, secret_key: str, orders: Sequence[int], *, editions: int) -> list[BenchStore]:
    """As many stores as numbers of orders; each sells `editions` titles at one place.

    Args:
        admin_url: of the write database.
        secret_key: that API keys are hashed with.
        orders: in each store's history, over a year.
        editions: in each store's catalogue.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        return [
            await _write_store(connection, secret_key, name=index, orders=count, editions=editions)
            for index, count in enumerate(orders)
        ]
    finally:
        await connection.close()


async def _write_store(
    connection: asyncpg.Connection, secret_key: str, *, name: int, orders: int, editions: int
) -> BenchStore:
    store = BenchStore(
        tenant_id=new_id(),
        key=new_api_key(),
        location_id=new_id(),
        edition_ids=tuple(new_id() for _ in range(editions)),
        orders=orders,
        written_at=datetime.now(UTC).replace(microsecond=0),
    )
    opened_at = datetime.now(UTC) - timedelta(days=400)
    log = StoreLog(store.tenant_id)
    await _open(connection, store, log, slug=f"bench-{name}-{store.tenant_id.hex[-6:]}", at=opened_at)
    await _issue_key(connection, store, log, secret_key=secret_key, at=opened_at)
    await _fill_shelves(connection, store, log, at=opened_at)
    pick = random.Random(name)  # noqa: S311  # the same orders in every run; nothing is secured by it
    await copy_log(connection, log)
    for number, at in enumerate(times(orders, days=365, until=store.written_at)):
        event = placed(store, number, pick=pick)
        log.append(event, event.order_id, at=at)
        if len(log.rows) >= _COPY_ROWS:
            await copy_log(connection, log)
    await copy_log(connection, log)
    return store


async def copy_log(connection: asyncpg.Connection, log: StoreLog) -> None:
    """COPY what a log has gathered, and move the tenant's head."""
    await connection.copy_records_to_table("event", schema_name="log", records=log.take())
    await connection.execute(
        "INSERT INTO log.tenant_head (tenant_id, shard, position, recorded_at) VALUES ($1, $2, $3, clock_timestamp())"
        " ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position",
        log.tenant_id,
        shard_of(log.tenant_id),
        log.position,
    )


async def _open(connection: asyncpg.Connection, store: BenchStore, log: StoreLog, *, slug: str, at: datetime) -> None:
    await connection.execute(
        "INSERT INTO write.tenant (tenant_id, version, slug, name, currency, timezone, prices_include_tax, tax_rates,"
        " allowed_origins, created_at)"
        """ VALUES ($1, 1, $2, 'Bench', 'GBP', 'UTC', true, '{"zero": 0}', '{}', $3)""",
        store.tenant_id,
        slug,
        at,
    )
    opened = StoreOpened(
        name="Bench",
        slug=slug,
        currency="GBP",
        timezone="UTC",
        prices_include_tax=True,
        tax_rates={"zero": 0},
        allowed_origins=(),
    )
    log.append(opened, store.tenant_id, at=at)


async def _issue_key(
    connection: asyncpg.Connection, store: BenchStore, log: StoreLog, *, secret_key: str, at: datetime
) -> None:
    key_id, principal_id = new_id(), new_id()
    key_hash = hash_api_key(store.key, secret_key)
    await connection.execute(
        "INSERT INTO access.api_key (tenant_id, key_id, version, principal_id, name, role, key_hash, created_at)"
        " VALUES ($1, $2, 1, $3, 'bench', 'owner', $4, $5)",
        store.tenant_id,
        key_id,
        principal_id,
        key_hash,
        at,
    )
    issued = ApiKeyIssued(
        key_id=key_id, principal_id=principal_id, name="bench", role="owner", key_hash=key_hash, expires_at=None
    )
    log.append(issued, key_id, at=at)


async def _fill_shelves(connection: asyncpg.Connection, store: BenchStore, log: StoreLog, *, at: datetime) -> None:
    stock_ids = [new_id() for _ in store.edition_ids]
    created = [edition(edition_id) for edition_id in store.edition_ids]
    location = (store.tenant_id, store.location_id, 1, "Main street", "shop", at)
    await connection.copy_records_to_table("location", schema_name="write", records=[location])
    await connection.copy_records_to_table(
        "edition",
        schema_name="write",
        records=[edition_row(store.tenant_id, event, at) for event in created],
    )
    await connection.copy_records_to_table(
        "stock",
        schema_name="write",
        columns=[
            "tenant_id",
            "stock_id",
            "location_id",
            "edition_id",
            "version",
            "on_hand",
            "reserved",
            "value_minor",
        ],
        records=[
            (store.tenant_id, stock_id, store.location_id, edition_id, 1, ON_HAND, 0, ON_HAND * COST_MINOR)
            for stock_id, edition_id in zip(stock_ids, store.edition_ids, strict=True)
        ],
    )
    opened = LocationOpened(location_id=store.location_id, name="Main street", kind="shop")
    log.append(opened, store.location_id, at=at)
    for stock_id, event in zip(stock_ids, created, strict=True):
        log.append(event, event.edition_id, at=at)
        log.append(_received(store, event.edition_id), stock_id, at=at)


def _received(store: BenchStore, edition_id: UUID) -> StockReceived:
    return StockReceived(
        location_id=store.location_id,
        edition_id=edition_id,
        delta=ON_HAND,
        reserved_delta=0,
        on_hand=ON_HAND,
        reserved=0,
        value_minor=ON_HAND * COST_MINOR,
        receipt_id=new_id(),
        unit_cost_minor=COST_MINOR,
    )
