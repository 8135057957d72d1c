"""An order log to project: orders placed and, some orders later, fulfilled; stores and orders interleaved."""

import random
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from benchmarks.place import Place
from benchmarks.stores import BenchStore, StoreLog, placed, times
from shared_kernel.events.orders import FulfilledLine, OrderFulfilled, OrderPlaced
from shared_kernel.identifiers import new_id
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import DOORBELL_CHANNEL

_OPEN_ORDERS = 20
"""How many orders of a store wait to be fulfilled at any time."""
_EDITIONS = 500
_CHUNK = 20_000
_TENANT = """
INSERT INTO write.tenant (tenant_id, version, slug, name, currency, timezone, prices_include_tax, tax_rates,
    allowed_origins, created_at)
VALUES ($1, 1, $2, $2, 'GBP', 'UTC', true, '{}', '{}', now())
"""
_HIDDEN_HEAD = "INSERT INTO log.tenant_head (tenant_id, shard, position, recorded_at) VALUES ($1, $2, 0, now())"
_SHOW = """
UPDATE log.tenant_head h SET position = e.last
FROM (SELECT tenant_id, max(position) AS last FROM log.event WHERE tenant_id = ANY($1::uuid[]) GROUP BY tenant_id) e
WHERE h.tenant_id = e.tenant_id
"""


class _Stream:
    """One store's events, one after the other."""

    def __init__(self, store: BenchStore, *, orders: int, seed: int) -> None:
        self.log = StoreLog(store.tenant_id)
        self._store = store
        self._pick = random.Random(seed)  # noqa: S311  # the same in every run; nothing is secured by it
        self._times = iter(times(orders, days=60))
        self._open: deque[OrderPlaced] = deque()
        self._number = 0

    def events(self) -> Iterator[None]:
        """Append the next event at each step, until every order is fulfilled."""
        at: datetime | None = None
        for at in self._times:
            event = placed(self._store, self._number, pick=self._pick)
            self._number += 1
            self.log.append(event, event.order_id, at=at)
            yield
            self._open.append(event)
            if len(self._open) > _OPEN_ORDERS:
                self._fulfil(at)
                yield
        while self._open and at is not None:
            self._fulfil(at)
            yield

    def _fulfil(self, at: datetime) -> None:
        order = self._open.popleft()
        lines = tuple(
            FulfilledLine(
                line_id=line.line_id,
                edition_id=line.edition_id,
                quantity=line.quantity,
                fulfilled_quantity=line.quantity,
            )
            for line in order.lines
        )
        fulfilled = OrderFulfilled(
            order_id=order.order_id,
            fulfilment_id=new_id(),
            lines=lines,
            fulfilment_status="fulfilled",
            status="fulfilled",
        )
        self.log.append(fulfilled, order.order_id, at=at, version=2)


async def write_hidden_log(place: Place, *, stores: int, events: int, seed: int) -> list[UUID]:
    """COPY a log of about so many events; nobody sees it before `show`.

    Args:
        stores: among which the events are spread.
        events: two for an order.
        seed: what is ordered.
    """
    connection = await asyncpg.connect(place.write_admin_url)
    try:
        streams = []
        for index in range(stores):
            store = _store()
            await connection.execute(_TENANT, store.tenant_id, f"log-{store.tenant_id.hex}")
            await connection.execute(_HIDDEN_HEAD, store.tenant_id, shard_of(store.tenant_id))
            streams.append(_Stream(store, orders=events // 2 // stores, seed=seed * 1_000 + index))
        await _copy(connection, streams)
        await connection.execute("ANALYZE log.event")
        return [stream.log.tenant_id for stream in streams]
    finally:
        await connection.close()


async def show(place: Place, tenants: list[UUID]) -> None:
    """Move the heads to the logs' ends: from now on there is news, and whoever listens is told, as after a commit."""
    connection = await asyncpg.connect(place.write_admin_url)
    try:
        await connection.execute(_SHOW, tenants)
    finally:
        await connection.close()
    async with Redis.from_url(place.redis_url) as redis:
        for shard in sorted({shard_of(tenant) for tenant in tenants}):
            await redis.publish(DOORBELL_CHANNEL, f"{shard}")


async def _copy(connection: asyncpg.Connection, streams: list[_Stream]) -> None:
    running = [stream.events() for stream in streams]
    while running:
        stepped = [len(list(islice(one, 1))) for one in running]
        running = [one for one, count in zip(running, stepped, strict=True) if count]
        if not running or sum(len(stream.log.rows) for stream in streams) >= _CHUNK:
            # One event of each store in turn, as they would have been committed.
            rows = sorted((row for stream in streams for row in stream.log.take()), key=_position)
            await connection.copy_records_to_table("event", schema_name="log", records=rows)


def _position(row: tuple[object, ...]) -> int:
    position = row[1]
    assert isinstance(position, int)
    return position


def _store() -> BenchStore:
    return BenchStore(
        tenant_id=new_id(),
        key="",
        location_id=new_id(),
        edition_ids=tuple(new_id() for _ in range(_EDITIONS)),
        orders=0,
        written_at=datetime.now(UTC),
    )
