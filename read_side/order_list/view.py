"""The read table of `/orders`, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table


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


VIEW = View(
    name="order_list",
    version=1,
    row=OrderListRow,
    key=("order_id",),
    table=view_table(
        "order_list",
        1,
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
