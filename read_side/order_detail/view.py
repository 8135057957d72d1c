"""The read table of `/orders/{id}` and the answer that Redis keeps of each row."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.money import Money
from shared_kernel.views import View, view_table

MAX_TIMELINE_ENTRIES = 200
"""An order's story has a handful of entries; the bound is for one that is fulfilled copy by copy."""


class DetailLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it was ordered, and how many of its copies left and came back. Costs are not shown to the till."""

    line_id: UUID
    edition_id: UUID
    sku: str
    title: str
    authors: tuple[str, ...]
    quantity: int
    fulfilled_quantity: int
    returned_quantity: int
    unit_price_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    total_minor: int


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an order: position and name of its event, when, and by whom (an id or a name)."""

    position: int
    type: str
    at: datetime
    actor: str


class OrderDetailRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order in full.

    Attributes:
        order_version: the aggregate's, as `If-Match` takes it.
        timeline: in the order of the log; the newest `MAX_TIMELINE_ENTRIES`.
        timeline_omitted: how many older entries are no longer in it.
    """

    order_id: UUID
    order_version: int
    number: str
    placed_at: datetime
    status: str
    payment_status: str
    fulfilment_status: str
    channel: str
    location_id: UUID
    location_name: str
    customer_id: UUID | None
    item_count: int
    net_minor: int
    tax_minor: int
    total_minor: int
    currency: str
    lines: tuple[DetailLine, ...]
    timeline: tuple[TimelineEntry, ...]
    timeline_omitted: int


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order: what was agreed, and how many copies left and came back."""

    line_id: UUID
    edition_id: UUID
    sku: str
    title: str
    authors: tuple[str, ...]
    quantity: int
    fulfilled_quantity: int
    returned_quantity: int
    unit_price: Money
    discount: Money
    net: Money
    tax: Money
    total: Money


class OrderDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An order with its lines and its timeline. `version` is what `If-Match` takes.

    The timeline has the newest 200 entries, oldest first; `timeline_omitted` says how many older ones there were.
    """

    id: UUID
    version: int
    number: str
    placed_at: datetime
    status: str
    payment_status: str
    fulfilment_status: str
    channel: str
    location_id: UUID
    location_name: str
    customer_id: UUID | None
    item_count: int
    net: Money
    tax: Money
    total: Money
    lines: tuple[OrderLine, ...]
    timeline: tuple[TimelineEntry, ...]
    timeline_omitted: int


_encoder = msgspec.json.Encoder()


def detail_of(row: OrderDetailRow) -> OrderDetail:
    """The answer to `/orders/{id}`."""
    return OrderDetail(
        id=row.order_id,
        version=row.order_version,
        number=row.number,
        placed_at=row.placed_at,
        status=row.status,
        payment_status=row.payment_status,
        fulfilment_status=row.fulfilment_status,
        channel=row.channel,
        location_id=row.location_id,
        location_name=row.location_name,
        customer_id=row.customer_id,
        item_count=row.item_count,
        net=Money(amount_minor=row.net_minor, currency=row.currency),
        tax=Money(amount_minor=row.tax_minor, currency=row.currency),
        total=Money(amount_minor=row.total_minor, currency=row.currency),
        lines=tuple(_line_of(line, row.currency) for line in row.lines),
        timeline=row.timeline,
        timeline_omitted=row.timeline_omitted,
    )


def _line_of(line: DetailLine, currency: str) -> OrderLine:
    return OrderLine(
        line_id=line.line_id,
        edition_id=line.edition_id,
        sku=line.sku,
        title=line.title,
        authors=line.authors,
        quantity=line.quantity,
        fulfilled_quantity=line.fulfilled_quantity,
        returned_quantity=line.returned_quantity,
        unit_price=Money(amount_minor=line.unit_price_minor, currency=currency),
        discount=Money(amount_minor=line.discount_minor, currency=currency),
        net=Money(amount_minor=line.net_minor, currency=currency),
        tax=Money(amount_minor=line.tax_minor, currency=currency),
        total=Money(amount_minor=line.total_minor, currency=currency),
    )


def body_of(row: OrderDetailRow) -> bytes:
    """The `data` of `/orders/{id}`."""
    return _encoder.encode(detail_of(row))


VIEW = View(
    name="order_detail",
    version=1,
    row=OrderDetailRow,
    key=("order_id",),
    body=body_of,
    table=view_table(
        "order_detail",
        1,
        Column("order_id", Uuid, primary_key=True),
        Column("order_version", Integer, nullable=False),
        Column("number", Text, nullable=False),
        Column("placed_at", DateTime(timezone=True), nullable=False),
        Column("status", Text, nullable=False),
        Column("payment_status", Text, nullable=False),
        Column("fulfilment_status", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("location_id", Uuid, nullable=False),
        Column("location_name", Text, nullable=False),
        Column("customer_id", Uuid),
        Column("item_count", Integer, nullable=False),
        Column("net_minor", BigInteger, nullable=False),
        Column("tax_minor", BigInteger, nullable=False),
        Column("total_minor", BigInteger, nullable=False),
        Column("currency", Text, nullable=False),
        Column("lines", JSONB, nullable=False),
        Column("timeline", JSONB, nullable=False),
        Column("timeline_omitted", Integer, nullable=False),
    ),
)
