"""The list of orders: what it may be filtered and sorted by, and one item of it."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.order_list.view import VIEW
from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page
from shared_kernel.money import Money

OrderStatus: TypeAlias = Literal["placed", "confirmed", "fulfilled", "cancelled", "returned"]
PaymentStatus: TypeAlias = Literal["none", "authorized", "captured", "refunded", "failed"]
FulfilmentStatus: TypeAlias = Literal["unfulfilled", "partial", "fulfilled"]
Channel: TypeAlias = Literal["web", "pos"]


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


ORDERS = ListSpecification(
    view=VIEW,
    columns=(
        "order_id",
        "number",
        "placed_at",
        "status",
        "payment_status",
        "fulfilment_status",
        "channel",
        "location_id",
        "customer_id",
        "item_count",
        "total_minor",
        "currency",
    ),
    sorts={"placed_at": "placed_at", "total": "total_minor", "number": "number"},
    default_sort="-placed_at",
    filters={
        "status": Filter(column="status", type=OrderStatus),
        "payment_status": Filter(column="payment_status", type=PaymentStatus),
        "fulfilment_status": Filter(column="fulfilment_status", type=FulfilmentStatus),
        "channel": Filter(column="channel", type=Channel),
        "location_id": Filter(column="location_id"),
        "customer_id": Filter(column="customer_id"),
        "placed_at": Filter(column="placed_at", operators=RANGE),
        "total": Filter(column="total_minor", operators=RANGE),
        "number": Filter(column="number", type=Annotated[str, msgspec.Meta(min_length=1, max_length=64)]),
    },
)


async def order_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """One page of orders."""
    return await list_page(snapshot, ORDERS, query, item=_item)


def _item(record: Record) -> OrderItem:
    return OrderItem(
        id=record["order_id"],
        number=record["number"],
        placed_at=record["placed_at"],
        status=record["status"],
        payment_status=record["payment_status"],
        fulfilment_status=record["fulfilment_status"],
        channel=record["channel"],
        location_id=record["location_id"],
        customer_id=record["customer_id"],
        item_count=record["item_count"],
        total=Money(amount_minor=record["total_minor"], currency=record["currency"]),
    )
