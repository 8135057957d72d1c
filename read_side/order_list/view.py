"""The read table of `/orders`, what one row of it means, and the item that each row carries, ready to be sent."""

from datetime import UTC, datetime
from typing import Literal, TypeAlias, cast
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.money import Money
from shared_kernel.views import DOCUMENT, View, view_table

OrderStatus: TypeAlias = Literal["placed", "confirmed", "fulfilled", "cancelled", "returned"]
PaymentStatus: TypeAlias = Literal["none", "authorized", "captured", "refunded", "failed"]
FulfilmentStatus: TypeAlias = Literal["unfulfilled", "partial", "fulfilled"]
Channel: TypeAlias = Literal["web", "pos"]


class OrderListRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a list shows it. `item_count` is of copies, over all lines."""

    order_id: UUID
    number: str
    placed_at: datetime
    status: str
    payment_status: str
    fulfilment_status: str
    channel: str
    location_id: UUID
    customer_id: UUID | None
    item_count: int
    total_minor: int
    currency: str


class OrderItem(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a list. `item_count` is of copies."""

    id: UUID
    number: str
    placed_at: datetime
    status: OrderStatus
    payment_status: PaymentStatus
    fulfilment_status: FulfilmentStatus
    channel: Channel
    location_id: UUID
    customer_id: UUID | None
    item_count: int
    total: Money


_encoder = msgspec.json.Encoder()


def document_of(row: OrderListRow) -> str:
    """The order as an item of `/orders`."""
    return _encoder.encode(_item_of(row)).decode()


def _item_of(row: OrderListRow) -> OrderItem:
    return OrderItem(
        id=row.order_id,
        number=row.number,
        placed_at=row.placed_at.astimezone(UTC),
        status=cast("OrderStatus", row.status),
        payment_status=cast("PaymentStatus", row.payment_status),
        fulfilment_status=cast("FulfilmentStatus", row.fulfilment_status),
        channel=cast("Channel", row.channel),
        location_id=row.location_id,
        customer_id=row.customer_id,
        item_count=row.item_count,
        total=Money(amount_minor=row.total_minor, currency=row.currency),
    )


VIEW = View(
    name="order_list",
    version=2,
    row=OrderListRow,
    key=("order_id",),
    document=document_of,
    table=view_table(
        "order_list",
        2,
        Column("order_id", Uuid, primary_key=True),
        Column("number", Text, nullable=False),
        Column("placed_at", DateTime(timezone=True), nullable=False),
        Column("status", Text, nullable=False),
        Column("payment_status", Text, nullable=False),
        Column("fulfilment_status", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("location_id", Uuid, nullable=False),
        Column("customer_id", Uuid),
        Column("item_count", Integer, nullable=False),
        Column("total_minor", BigInteger, nullable=False),
        Column("currency", Text, nullable=False),
        Column(DOCUMENT, Text, nullable=False),
        # One for each sort, and one for each filter that leaves few of many rows, in the order of the default sort.
        Index("order_list_placed_at", "placed_at", "order_id"),
        Index("order_list_total", "total_minor", "order_id"),
        Index("order_list_number", "number", "order_id"),
        Index("order_list_status", "status", "placed_at", "order_id"),
        Index("order_list_fulfilment_status", "fulfilment_status", "placed_at", "order_id"),
        Index("order_list_location", "location_id", "placed_at", "order_id"),
        Index("order_list_customer", "customer_id", "placed_at", "order_id"),
    ),
)
