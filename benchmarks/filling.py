"""A store with as many orders as one likes: its read rows folded by the projections themselves, and written by COPY."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg

from benchmarks.place import Place
from benchmarks.stores import BenchStore, placed, times
from projections import best_sellers, kpis, order_detail, order_list, sales, store_counts
from projections.fold import AnyRecorded, Projection
from projections.runtime.codec import ViewCodec
from shared_kernel.events.envelope import Metadata, Recorded, StoreTime
from shared_kernel.identifiers import new_id

# Any: rows of every view, side by side.
GROWING: tuple[Projection[Any], ...] = (
    order_list.PROJECTION,
    order_detail.PROJECTION,
    sales.PROJECTION,
    best_sellers.PROJECTION,
    kpis.PROJECTION,
    store_counts.PROJECTION,
)
"""Those whose tables grow, or could, with the number of orders."""
_CHUNK = 20_000
_BUILD = 1
_MOVE = """
UPDATE projection.checkpoint SET position = $4, as_of = now(), revision = revision + 1, rows = rows + $5
WHERE (tenant_id, name, version) = ($1, $2, $3)
"""
_DAY_LENGTH = len("2009-12-01")


class _Table:
    """One view's rows that are not written yet."""

    def __init__(self, projection: Projection[Any]) -> None:  # Any: rows of every view
        self.projection = projection
        self.rows: dict[Any, Any] = {}
        self.written = 0

    def take(self, recorded: AnyRecorded) -> None:
        if type(recorded.event) not in self.projection.handles:
            return
        for key, part in self.projection.touches(recorded):
            row = self.projection.evolve(self.rows.get(key), part, recorded)
            assert row is not None
            self.rows[key] = row

    def take_closed(self, day: str) -> list[Any]:
        """Rows that no later event touches, forgotten here."""
        closed = [key for key, row in self.rows.items() if _is_closed(row, day)]
        return [self.rows.pop(key) for key in closed]


def _is_closed(row: Any, day: str) -> bool:  # noqa: ANN401  # rows of every view
    """Whether an order's own row, or a bucket of a day that is over."""
    bucket = getattr(row, "bucket", None)
    if isinstance(bucket, str):
        return len(bucket) >= _DAY_LENGTH and bucket[:_DAY_LENGTH] < day
    return hasattr(row, "order_id")


async def fill_store(place: Place, store: BenchStore, *, orders: int, position: int) -> None:
    """Give a store, which the projector has enrolled, orders over a year.

    Args:
        store: with nothing but its catalogue so far.
        orders: one event each.
        position: of its log's last event.
    """
    connection = await asyncpg.connect(place.read_admin_url)
    tables = [_Table(projection) for projection in GROWING]
    try:
        await connection.execute("SET synchronous_commit = off")  # of loading, not of what is measured
        for number, recorded in enumerate(_history(store, orders=orders, position=position), start=1):
            for table in tables:
                table.take(recorded)
            if number % _CHUNK == 0:
                for table in tables:
                    day = recorded.metadata.store_time.date.isoformat()
                    await _copy(connection, store, table, table.take_closed(day), position=position + number)
        for table in tables:
            await _finish(connection, store, table, position=position + orders)
    finally:
        await connection.close()
    await _move_head(place, store, position + orders)


def _history(store: BenchStore, *, orders: int, position: int) -> Iterator[AnyRecorded]:
    pick = random.Random(orders)  # noqa: S311  # the same in every run; nothing is secured by it
    for number, at in enumerate(times(orders, days=365)):
        event = placed(store, number, pick=pick)
        yield Recorded(
            tenant_id=store.tenant_id,
            position=position + number + 1,
            event_id=new_id(),
            stream_id=event.order_id,
            stream_version=1,
            event=event,
            metadata=Metadata(actor="growth", store_time=StoreTime(date=at.date(), hour=at.hour, utc_offset_minutes=0)),
            occurred_at=at,
            recorded_at=at,
        )


async def _finish(connection: asyncpg.Connection, store: BenchStore, table: _Table, *, position: int) -> None:
    view = table.projection.view
    left = list(table.rows.values())
    if view.name == store_counts.PROJECTION.view.name:
        # The projector wrote this row from the catalogue; it is the store's only one.
        text = f"DELETE FROM read.{view.table.name} WHERE tenant_id = $1"  # noqa: S608  # a table's own name
        await connection.execute(text, store.tenant_id)
    await _copy(connection, store, table, left, position=position)
    await connection.execute(_MOVE, store.tenant_id, view.name, view.version, position, table.written)


async def _copy(
    connection: asyncpg.Connection, store: BenchStore, table: _Table, rows: list[Any], *, position: int
) -> None:
    codec = ViewCodec(table.projection.view)
    await connection.copy_records_to_table(
        codec.build_table(_BUILD),
        schema_name="read",
        columns=codec.copied_columns,
        records=codec.copied_records(_BUILD, store.tenant_id, ((row, position) for row in rows)),
    )
    table.written += len(rows)


async def _move_head(place: Place, store: BenchStore, position: int) -> None:
    connection = await asyncpg.connect(place.write_admin_url)
    try:
        text = "UPDATE log.tenant_head SET position = $2, recorded_at = $3 WHERE tenant_id = $1"
        await connection.execute(text, store.tenant_id, position, datetime.now(UTC))
    finally:
        await connection.close()
