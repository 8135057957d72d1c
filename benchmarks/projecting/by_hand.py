"""A projector as somebody would write it for these three views and nothing else: set-based, one transaction a batch.

No leases, no builds, no dead letters, no verification. `python -m benchmarks.projecting.by_hand` waits for hints.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from redis.asyncio import Redis

from shared_kernel.redis.keys import DOORBELL_CHANNEL

TABLES = """
CREATE SCHEMA IF NOT EXISTS hand;
CREATE TABLE hand.checkpoint (tenant_id uuid PRIMARY KEY, position bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE hand.orders (tenant_id uuid, order_id uuid, number text NOT NULL, placed_at timestamptz NOT NULL,
    status text NOT NULL, item_count int NOT NULL, total_minor bigint NOT NULL, PRIMARY KEY (tenant_id, order_id));
CREATE TABLE hand.days (tenant_id uuid, day text, orders bigint NOT NULL, units bigint NOT NULL,
    net_minor bigint NOT NULL, PRIMARY KEY (tenant_id, day));
CREATE TABLE hand.sellers (tenant_id uuid, edition_id uuid, title text NOT NULL, units bigint NOT NULL,
    net_minor bigint NOT NULL, PRIMARY KEY (tenant_id, edition_id));
"""
_ENROL = """
INSERT INTO hand.checkpoint SELECT tenant_id, 0 FROM log.tenant_head ON CONFLICT DO NOTHING
"""
_BEHIND = """
SELECT h.tenant_id, c.position FROM log.tenant_head h JOIN hand.checkpoint c USING (tenant_id)
WHERE h.position > c.position LIMIT 32 FOR UPDATE OF c
"""
_FETCH = """
SELECT w.tenant_id, e.position, e.type, e.payload::text AS payload, e.metadata::text AS metadata, e.occurred_at
FROM unnest($1::uuid[], $2::bigint[]) AS w(tenant_id, after)
CROSS JOIN LATERAL (SELECT * FROM log.event WHERE event.tenant_id = w.tenant_id AND event.position > w.after
                    ORDER BY event.position LIMIT $3) e
ORDER BY w.tenant_id, e.position
"""
_ORDERS = """
INSERT INTO hand.orders SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[],
    $6::int[], $7::bigint[])
ON CONFLICT (tenant_id, order_id) DO UPDATE SET status = excluded.status
"""
_STATUS = """
UPDATE hand.orders o SET status = s.status
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS s(tenant_id, order_id, status)
WHERE o.tenant_id = s.tenant_id AND o.order_id = s.order_id
"""
_DAYS = """
INSERT INTO hand.days SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
ON CONFLICT (tenant_id, day) DO UPDATE SET orders = days.orders + excluded.orders, units = days.units + excluded.units,
    net_minor = days.net_minor + excluded.net_minor
"""
_SELLERS = """
INSERT INTO hand.sellers SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
ON CONFLICT (tenant_id, edition_id) DO UPDATE SET units = sellers.units + excluded.units,
    net_minor = sellers.net_minor + excluded.net_minor
"""
_MOVE = """
UPDATE hand.checkpoint c SET position = m.position FROM unnest($1::uuid[], $2::bigint[]) AS m(tenant_id, position)
WHERE c.tenant_id = m.tenant_id
"""
VISIBLE_KEY = "bench:order:{}"
_BATCH = 2_000
_SWEEP_SECONDS = 1.0


class _Line(msgspec.Struct, gc=False):
    edition_id: UUID
    title: str
    quantity: int
    net_minor: int


class _Placed(msgspec.Struct, gc=False):
    order_id: UUID
    number: str
    status: str
    item_count: int
    net_minor: int
    total_minor: int
    lines: list[_Line]


class _Fulfilled(msgspec.Struct, gc=False):
    order_id: UUID
    status: str


class _Time(msgspec.Struct, gc=False):
    date: str


class _Metadata(msgspec.Struct, gc=False):
    store_time: _Time


_placed = msgspec.json.Decoder(_Placed).decode
_fulfilled = msgspec.json.Decoder(_Fulfilled).decode
_metadata = msgspec.json.Decoder(_Metadata).decode
_encode = msgspec.json.Encoder().encode

OrderRow = tuple[UUID, UUID, str, datetime, str, int, int]


class _Batch:
    """What a batch of events comes to."""

    def __init__(self) -> None:
        self.orders: dict[UUID, OrderRow] = {}
        self.statuses: dict[tuple[UUID, UUID], str] = {}
        self.days: Counter[tuple[UUID, str, str]] = Counter()
        self.units: Counter[tuple[UUID, UUID]] = Counter()
        self.net: Counter[tuple[UUID, UUID]] = Counter()
        self.titles: dict[tuple[UUID, UUID], str] = {}
        self.positions: dict[UUID, int] = {}

    def take(self, row: asyncpg.Record) -> None:
        tenant = row["tenant_id"]
        self.positions[tenant] = row["position"]
        if row["type"] == "OrderPlaced":
            self._take_placed(tenant, _placed(row["payload"]), row)
        elif row["type"] == "OrderFulfilled":
            event = _fulfilled(row["payload"])
            known = self.orders.get(event.order_id)
            if known is None:
                self.statuses[tenant, event.order_id] = event.status
            else:
                self.orders[event.order_id] = (*known[:4], event.status, *known[5:])

    def _take_placed(self, tenant: UUID, event: _Placed, row: asyncpg.Record) -> None:
        self.orders[event.order_id] = (
            tenant,
            event.order_id,
            event.number,
            row["occurred_at"],
            event.status,
            event.item_count,
            event.total_minor,
        )
        day = _metadata(row["metadata"]).store_time.date
        self.days[tenant, day, "orders"] += 1
        self.days[tenant, day, "units"] += event.item_count
        self.days[tenant, day, "net"] += event.net_minor
        for line in event.lines:
            key = tenant, line.edition_id
            self.units[key] += line.quantity
            self.net[key] += line.net_minor
            self.titles[key] = line.title


def _columns(rows: Iterable[tuple[object, ...]], count: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


async def step(connection: asyncpg.Connection, redis: Redis | None) -> int:
    """Project one batch; returns how many events it had."""
    async with connection.transaction():
        behind = await connection.fetch(_BEHIND)
        if not behind:
            return 0
        share = max(1, _BATCH // len(behind))
        tenants, after = [row["tenant_id"] for row in behind], [row["position"] for row in behind]
        events = await connection.fetch(_FETCH, tenants, after, share)
        batch = _Batch()
        for event in events:
            batch.take(event)
        await _save(connection, batch)
    if redis is not None and batch.orders:
        async with redis.pipeline(transaction=False) as pipeline:
            for order_id, row in batch.orders.items():
                pipeline.set(VISIBLE_KEY.format(order_id), _encode(row))
            await pipeline.execute()
    return len(events)


async def _save(connection: asyncpg.Connection, batch: _Batch) -> None:
    await connection.execute(_ORDERS, *_columns(batch.orders.values(), 7))
    if batch.statuses:
        await connection.execute(_STATUS, *_columns(((*key, one) for key, one in batch.statuses.items()), 3))
    days = {(tenant, day) for tenant, day, _ in batch.days}
    sums = ((*key, *(batch.days[*key, name] for name in ("orders", "units", "net"))) for key in days)
    await connection.execute(_DAYS, *_columns(sums, 5))
    sellers = ((*key, batch.titles[key], batch.units[key], batch.net[key]) for key in batch.titles)
    await connection.execute(_SELLERS, *_columns(sellers, 5))
    await connection.execute(_MOVE, *_columns(batch.positions.items(), 2))


async def drain(url: str, redis_url: str | None) -> int:
    """Project everything there is; returns how many events that were."""
    connection = await asyncpg.connect(url)
    redis = Redis.from_url(redis_url) if redis_url else None
    try:
        await connection.execute(_ENROL)
        events = 0
        while count := await step(connection, redis):  # bounded by the log, which nobody appends to meanwhile
            events += count
        return events
    finally:
        await connection.close()
        if redis is not None:
            await redis.aclose()


async def follow(url: str, redis_url: str) -> None:
    """Project whenever somebody hints, and once a second, until killed."""
    connection = await asyncpg.connect(url)
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(DOORBELL_CHANNEL)
        await connection.execute(_ENROL)
        while True:  # ends with its process
            while await step(connection, redis):
                pass
            await subscription.get_message(ignore_subscribe_messages=True, timeout=_SWEEP_SECONDS)


def main() -> None:
    """The process's entry."""
    if os.environ.get("BENCH_FOLLOW"):
        uvloop.run(follow(os.environ["BENCH_WRITE_URL"], os.environ["BENCH_REDIS_URL"]))
    else:
        uvloop.run(drain(os.environ["BENCH_WRITE_URL"], os.environ.get("BENCH_REDIS_URL")))


if __name__ == "__main__":
    asyncio.set_event_loop_policy(None)
    main()
