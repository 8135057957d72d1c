"""The read table of `/store-counts`: one row a store, kept in Redis too."""

from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import BigInteger, Column, Text

from shared_kernel.views import View, view_table

Scope: TypeAlias = Literal["store"]
STORE: Scope = "store"


class StoreCountsRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are, exactly. `scope` is always `store`: the one row of a tenant."""

    scope: Scope
    editions: int
    discontinued_editions: int
    locations: int
    placed_orders: int
    confirmed_orders: int
    fulfilled_orders: int
    cancelled_orders: int
    returned_orders: int


class OrderCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Orders by status, each in exactly one; `open` are those that still wait for something: placed and confirmed."""

    total: int
    open: int
    placed: int
    confirmed: int
    fulfilled: int
    cancelled: int
    returned: int


class StoreCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Exact counts of what a store has. `editions` counts the discontinued ones too."""

    editions: int
    discontinued_editions: int
    locations: int
    orders: OrderCounts


_encoder = msgspec.json.Encoder()


def counts_of(row: StoreCountsRow) -> StoreCounts:
    """The answer to `/store-counts`."""
    open_orders = row.placed_orders + row.confirmed_orders
    return StoreCounts(
        editions=row.editions,
        discontinued_editions=row.discontinued_editions,
        locations=row.locations,
        orders=OrderCounts(
            total=open_orders + row.fulfilled_orders + row.cancelled_orders + row.returned_orders,
            open=open_orders,
            placed=row.placed_orders,
            confirmed=row.confirmed_orders,
            fulfilled=row.fulfilled_orders,
            cancelled=row.cancelled_orders,
            returned=row.returned_orders,
        ),
    )


def body_of(row: StoreCountsRow) -> bytes:
    """The `data` of `/store-counts`."""
    return _encoder.encode(counts_of(row))


VIEW = View(
    name="store_counts",
    version=1,
    row=StoreCountsRow,
    key=("scope",),
    body=body_of,
    table=view_table(
        "store_counts",
        1,
        Column("scope", Text, primary_key=True),
        Column("editions", BigInteger, nullable=False),
        Column("discontinued_editions", BigInteger, nullable=False),
        Column("locations", BigInteger, nullable=False),
        Column("placed_orders", BigInteger, nullable=False),
        Column("confirmed_orders", BigInteger, nullable=False),
        Column("fulfilled_orders", BigInteger, nullable=False),
        Column("cancelled_orders", BigInteger, nullable=False),
        Column("returned_orders", BigInteger, nullable=False),
    ),
)
