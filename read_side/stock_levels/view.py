"""The shape of `stock_levels`: one row an edition, with what each location has of it."""

from typing import Literal, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.views import View, view_table

NAME = "stock_levels"
VERSION = 1
SaleStatus: TypeAlias = Literal["active", "discontinued"]
ACTIVE: SaleStatus = "active"
DISCONTINUED: SaleStatus = "discontinued"


class LocationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One location's share. `value_minor` is the cost of all copies on hand there, by moving average."""

    location_id: UUID
    on_hand: int
    reserved: int
    value_minor: int


class StockRow(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's stock; the totals are the sums of `locations`.

    Attributes:
        sku, title: None where stock moved for an edition that nobody created.
        title_order: what lists by title sort by; empty where there is none.
        locations: in the order of their ids.
    """

    edition_id: UUID
    sku: str | None
    title: str | None
    title_order: str
    status: str
    on_hand: int
    reserved: int
    available: int
    value_minor: int
    locations: tuple[LocationEntry, ...]


class LocationStock(msgspec.Struct, frozen=True, kw_only=True):
    """One location's copies, as answers show them."""

    location_id: UUID
    on_hand: int
    reserved: int
    available: int


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's copies, as answers show them: what they cost is `/stock/valuation`'s to say, to whoever may know."""

    edition_id: UUID
    sku: str | None
    title: str | None
    status: str
    on_hand: int
    reserved: int
    available: int
    locations: tuple[LocationStock, ...]


def stock_of(row: StockRow) -> Stock:
    """The row as answers show it."""
    return Stock(
        edition_id=row.edition_id,
        sku=row.sku,
        title=row.title,
        status=row.status,
        on_hand=row.on_hand,
        reserved=row.reserved,
        available=row.available,
        locations=tuple(location_stock(entry) for entry in row.locations),
    )


def location_stock(entry: LocationEntry) -> LocationStock:
    """A location's share as answers show it."""
    return LocationStock(
        location_id=entry.location_id,
        on_hand=entry.on_hand,
        reserved=entry.reserved,
        available=entry.on_hand - entry.reserved,
    )


_encoder = msgspec.json.Encoder()


def _body(row: StockRow) -> bytes:
    return _encoder.encode(stock_of(row))


VIEW = View(
    name=NAME,
    version=VERSION,
    row=StockRow,
    key=("edition_id",),
    table=view_table(
        NAME,
        VERSION,
        Column("edition_id", Uuid, primary_key=True),
        Column("sku", Text),
        Column("title", Text),
        Column("title_order", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("on_hand", Integer, nullable=False),
        Column("reserved", Integer, nullable=False),
        Column("available", Integer, nullable=False),
        Column("value_minor", BigInteger, nullable=False),
        Column("locations", JSONB, nullable=False),
        Index(None, "available", "edition_id"),
        Index(None, "on_hand", "edition_id"),
        Index(None, "title_order", "edition_id"),
    ),
    body=_body,
)
