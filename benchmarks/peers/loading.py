"""Gives the peer the same orders as ShelfWise's first store, by COPY."""

import random
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.catalogue import PRICE_MINOR
from benchmarks.peers.fastapi_orders import STORES
from benchmarks.peers.tables import Model
from benchmarks.stores import COST_MINOR, ON_HAND, BenchStore, placed, times


def orm_url(url: str) -> str:
    """The same database, for SQLAlchemy on asyncpg."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))


async def load_peer(url: str, store: BenchStore) -> None:
    """Create the peer's tables, and fill them."""
    engine = create_async_engine(orm_url(url))
    async with engine.begin() as connection:
        await connection.run_sync(Model.metadata.create_all)
    await engine.dispose()
    connection = await asyncpg.connect(url)
    try:
        editions = [(one, f"The Book of {one.hex[-8:]}", PRICE_MINOR, COST_MINOR, ON_HAND) for one in store.edition_ids]
        await connection.copy_records_to_table("edition", records=editions)
        await connection.copy_records_to_table("counter", records=[(number, 0) for number in range(STORES)])
        await _copy_orders(connection, store)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _copy_orders(connection: asyncpg.Connection, store: BenchStore) -> None:
    pick = random.Random(0)  # noqa: S311  # the same orders as the store's; nothing is secured by it
    orders, lines = [], []
    for number, at in enumerate(times(store.orders, days=365, until=store.written_at)):
        event = placed(store, number, pick=pick)
        orders.append(
            (
                event.order_id,
                event.number,
                at,
                at.date(),
                "placed",
                "none",
                "unfulfilled",
                event.channel,
                event.location_id,
                None,
                event.item_count,
                event.total_minor,
            )
        )
        lines += [
            (
                one.line_id,
                event.order_id,
                one.edition_id,
                one.quantity,
                one.unit_price_minor,
                one.total_minor,
                one.net_minor,
                one.tax_minor,
                one.discount_minor,
                one.cost_minor,
            )
            for one in event.lines
        ]
    await connection.copy_records_to_table("customer_order", records=orders)
    await connection.copy_records_to_table("order_line", records=lines)
