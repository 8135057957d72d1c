"""A bare Litestar handler that places an order by hand in four round trips, into ShelfWise's own tables.

Order, lines, conditional stock, idempotency row, audit row, counter and four events, which the same projector projects.
No authentication, no validation, no limits, no replay, no metrics, no log line.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import asyncpg
import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.params import FromPath

from shared_kernel.database.pool import PLANNED_ONCE, Connection, PoolSettings, build_pool
from shared_kernel.events.envelope import Event, Metadata, StoreTime
from shared_kernel.events.inventory import StockReserved
from shared_kernel.events.orders import OrderedLine, OrderPlaced
from shared_kernel.events.registry import encode_payload
from shared_kernel.identifiers import new_id
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import DOORBELL_CHANNEL
from shared_kernel.redis.multiplexed import MultiplexedRedis

AUDIT_TABLE = """
CREATE SCHEMA bench;
CREATE TABLE bench.audit (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, action text NOT NULL, at timestamptz NOT NULL);
GRANT USAGE ON SCHEMA bench TO shelfwise_write_api;
GRANT INSERT ON bench.audit TO shelfwise_write_api;
"""
_POOL_SIZE = 16
_BEGIN = "BEGIN; SET LOCAL app.tenant_id = '{}'"
_RESERVE = """
WITH locked AS MATERIALIZED (
    SELECT s.stock_id, e.sku, e.title, e.contributors->0->>'name' AS author, e.publisher, e.list_price_minor, w.quantity
    FROM unnest($3::uuid[], $4::int[]) AS w(edition_id, quantity)
    JOIN write.stock s ON s.tenant_id = $1 AND s.location_id = $2 AND s.edition_id = w.edition_id
    JOIN write.edition e ON e.tenant_id = $1 AND e.edition_id = w.edition_id
    ORDER BY s.edition_id FOR UPDATE OF s
)
UPDATE write.stock s SET reserved = s.reserved + locked.quantity, version = s.version + 1
FROM locked WHERE s.tenant_id = $1 AND s.stock_id = locked.stock_id AND s.on_hand - s.reserved >= locked.quantity
RETURNING s.stock_id, s.edition_id, s.version, s.on_hand, s.reserved, s.value_minor, locked.sku, locked.title,
          locked.author, locked.publisher, locked.list_price_minor, locked.quantity
"""
_KEEP = """
WITH placed AS (
    INSERT INTO write.sales_order (tenant_id, order_id, version, number, location_id, channel, status,
                                   fulfilment_status, currency, net_minor, tax_minor, total_minor, placed_at)
    VALUES ($1, $2, 1, $3, $4, 'web', 'placed', 'unfulfilled', 'GBP', $5, 0, $5, $6)
), lines AS (
    INSERT INTO write.order_line (tenant_id, order_id, line_id, place, edition_id, sku, title, authors, quantity,
                                  fulfilled_quantity, returned_quantity, unit_price_minor, discount_minor, net_minor,
                                  tax_minor, total_minor, cost_minor, tax_rate_basis_points)
    SELECT $1, $2, l.line_id, l.place, l.edition_id, l.sku, l.title, '[]', l.quantity, 0, 0, l.price, 0, l.total, 0,
           l.total, 0, 0
    FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::int[], $12::bigint[], $13::bigint[])
        WITH ORDINALITY AS l(line_id, edition_id, sku, title, quantity, price, total, place)
), audited AS (
    INSERT INTO bench.audit (id, tenant_id, action, at) VALUES ($14, $1, 'place_order', $6)
), head AS (
    UPDATE log.tenant_head SET position = position + cardinality($15::uuid[]), recorded_at = clock_timestamp()
    WHERE tenant_id = $1 RETURNING position, recorded_at
), answered AS (
    INSERT INTO access.idempotent_response (tenant_id, key_digest, operation, request_digest, status, headers, body,
                                            position, created_at)
    SELECT $1, $16, 'place_order', $16, 201, '{}', $17, position, $6 FROM head
)
INSERT INTO log.event (tenant_id, position, event_id, stream_type, stream_id, stream_version, type, schema_version,
                       payload, metadata, occurred_at, recorded_at)
SELECT $1, head.position - cardinality($15::uuid[]) + e.place, e.event_id, e.stream_type, e.stream_id,
       e.stream_version, e.type, 1, e.payload::jsonb, $18::text::jsonb, $6, head.recorded_at
FROM head CROSS JOIN unnest($15::uuid[], $19::text[], $20::uuid[], $21::int[], $22::text[], $23::text[])
    WITH ORDINALITY AS e(event_id, stream_type, stream_id, stream_version, type, payload, place)
"""
_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted."""

    edition_id: UUID
    quantity: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The same body that ShelfWise is sent."""

    location_id: UUID
    channel: str
    lines: tuple[Line, ...]


class _Open:
    """What the handlers use, once the loop runs."""

    pool: asyncpg.Pool
    redis: MultiplexedRedis
    hints: set[asyncio.Task[object]]


_open = _Open()
_decoder = msgspec.json.Decoder(Wanted)


@post("/orders/{tenant:uuid}")
async def place_order(tenant: FromPath[UUID], request: Request) -> Response[bytes]:  # type: ignore[type-arg]  # as bare as it gets
    """Four round trips, then a hint that nobody waits for."""
    wanted = _decoder.decode(await request.body())
    key = sha256(f"{tenant}{request.headers['idempotency-key']}".encode()).hexdigest()
    order_id, now = new_id(), datetime.now(UTC)
    lines = sorted(wanted.lines, key=lambda line: line.edition_id)
    async with _open.pool.acquire() as connection:
        await connection.execute(_BEGIN.format(tenant))
        rows = await connection.fetch(
            _RESERVE,
            tenant,
            wanted.location_id,
            [line.edition_id for line in lines],
            [line.quantity for line in lines],
        )
        assert len(rows) == len(lines), "not enough copies"
        body = await _keep(connection, tenant, wanted, order_id=order_id, key=key, rows=rows, now=now)
        await connection.execute("COMMIT")
    _hint(tenant)
    return Response(body, status_code=201, media_type="application/json")


async def _keep(
    connection: Connection,
    tenant: UUID,
    wanted: Wanted,
    *,
    order_id: UUID,
    key: str,
    rows: Sequence[asyncpg.Record],
    now: datetime,
) -> bytes:
    ordered = tuple(_ordered(row) for row in rows)
    total = sum(line.total_minor for line in ordered)
    number = f"SW-{order_id.hex[-10:-5].upper()}-{order_id.hex[-5:].upper()}"
    events = [
        _placed(wanted, order_id, number=number, lines=ordered, total=total),
        *(_reserved(wanted, order_id, row) for row in rows),
    ]
    time = StoreTime(date=now.date(), hour=now.hour, utc_offset_minutes=0)
    body = _encode({"id": order_id, "number": number, "total_minor": total})
    await connection.execute(
        _KEEP,
        tenant,
        order_id,
        number,
        wanted.location_id,
        total,
        now,
        [line.line_id for line in ordered],
        [line.edition_id for line in ordered],
        [line.sku for line in ordered],
        [line.title for line in ordered],
        [line.quantity for line in ordered],
        [line.unit_price_minor for line in ordered],
        [line.total_minor for line in ordered],
        new_id(),
        [new_id() for _ in events],
        key,
        body,
        _encode(Metadata(actor="floor", store_time=time)).decode(),
        [event.stream_type for event in events],
        [order_id, *(row["stock_id"] for row in rows)],
        [1, *(row["version"] for row in rows)],
        [type(event).__name__ for event in events],
        [encode_payload(event) for event in events],
    )
    return body


def _ordered(row: asyncpg.Record) -> OrderedLine:
    total = row["list_price_minor"] * row["quantity"]
    return OrderedLine(
        line_id=new_id(),
        edition_id=row["edition_id"],
        sku=row["sku"],
        title=row["title"],
        authors=(row["author"],),
        quantity=row["quantity"],
        unit_price_minor=row["list_price_minor"],
        discount_minor=0,
        net_minor=total,
        tax_minor=0,
        total_minor=total,
        cost_minor=0,
        tax_rate_basis_points=0,
        publisher=row["publisher"],
    )


def _placed(wanted: Wanted, order_id: UUID, *, number: str, lines: tuple[OrderedLine, ...], total: int) -> Event:
    return OrderPlaced(
        order_id=order_id,
        number=number,
        location_id=wanted.location_id,
        location_name="Main street",
        channel="web",
        currency="GBP",
        lines=lines,
        item_count=sum(line.quantity for line in lines),
        net_minor=total,
        tax_minor=0,
        total_minor=total,
        status="placed",
        source=None,
    )


def _reserved(wanted: Wanted, order_id: UUID, row: asyncpg.Record) -> Event:
    return StockReserved(
        location_id=wanted.location_id,
        edition_id=row["edition_id"],
        delta=0,
        reserved_delta=row["quantity"],
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        value_minor=row["value_minor"],
        order_id=order_id,
    )


def _hint(tenant: UUID) -> None:
    task: asyncio.Task[object] = asyncio.ensure_future(
        _open.redis.call("PUBLISH", DOORBELL_CHANNEL, f"{shard_of(tenant)}")
    )
    _open.hints.add(task)
    task.add_done_callback(_open.hints.discard)


VISIBLE_KEY = "bench:order:{}"
_LOOK_SECONDS = 0.001
_LOOKS = 2_000


@get("/orders/{order_id:uuid}")
async def visible_order(order_id: FromPath[UUID]) -> Response[bytes]:
    """The hand-written projector's row, as soon as it is in Redis."""
    for _ in range(_LOOKS):
        body = await _open.redis.call("GET", VISIBLE_KEY.format(order_id))
        if isinstance(body, bytes):
            return Response(body, media_type="application/json")
        await asyncio.sleep(_LOOK_SECONDS)
    return Response(b"", status_code=503)


@asynccontextmanager
async def _lifespan(_app: Litestar) -> AsyncIterator[None]:
    settings = PoolSettings(
        application_name="bench-floor", min_size=_POOL_SIZE, max_size=_POOL_SIZE, planner=PLANNED_ONCE
    )
    _open.hints = set()
    async with (
        MultiplexedRedis.from_url(os.environ["BENCH_REDIS_URL"], client_name="bench-floor") as _open.redis,
        build_pool(os.environ["BENCH_WRITE_URL"], settings) as _open.pool,
    ):
        await _open.redis.connect()
        yield


app = Litestar([place_order, visible_order], lifespan=[_lifespan], openapi_config=None)
