"""The read table of `/fulfilments`, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Column, DateTime, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.views import View, view_table


class LeftLine(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies of one line of the order left."""

    line_id: UUID
    edition_id: UUID
    quantity: int


class FulfilmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of one order that left together; never changed again.

    Attributes:
        order_number, location_id, method: None where they left before these were told.
        item_count: of copies, over all lines.
    """

    fulfilment_id: UUID
    order_id: UUID
    order_number: str | None
    at: datetime
    location_id: UUID | None
    method: str | None
    item_count: int
    lines: tuple[LeftLine, ...]


VIEW = View(
    name="fulfilments",
    version=1,
    row=FulfilmentRow,
    key=("fulfilment_id",),
    table=view_table(
        "fulfilments",
        1,
        Column("fulfilment_id", Uuid, primary_key=True),
        Column("order_id", Uuid, nullable=False),
        Column("order_number", Text),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("location_id", Uuid),
        Column("method", Text),
        Column("item_count", Integer, nullable=False),
        Column("lines", JSONB, nullable=False),
        Index(None, "at", "fulfilment_id"),
        Index(None, "order_id", "at", "fulfilment_id"),
        Index(None, "location_id", "at", "fulfilment_id"),
    ),
)
