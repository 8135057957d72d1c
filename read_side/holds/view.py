"""The read table of `/holds`, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hold or a special order as it stands.

    Attributes:
        hold_version: the aggregate's, for `If-Match`.
        allocated: of `quantity`, the copies set aside; none once it has ended.
        order_id: who collected it.
        expires_at: when it ends by itself; None where it does not.
    """

    hold_id: UUID
    hold_version: int
    kind: str
    status: str
    location_id: UUID
    edition_id: UUID
    quantity: int
    allocated: int
    placed_at: datetime
    order_id: UUID | None
    expires_at: datetime | None


VIEW = View(
    name="holds",
    version=2,
    row=HoldRow,
    key=("hold_id",),
    table=view_table(
        "holds",
        2,
        Column("hold_id", Uuid, primary_key=True),
        Column("hold_version", Integer, nullable=False),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("location_id", Uuid, nullable=False),
        Column("edition_id", Uuid, nullable=False),
        Column("quantity", Integer, nullable=False),
        Column("allocated", Integer, nullable=False),
        Column("placed_at", DateTime(timezone=True), nullable=False),
        Column("order_id", Uuid),
        Column("expires_at", DateTime(timezone=True)),
        Index(None, "placed_at", "hold_id"),
        Index(None, "status", "placed_at", "hold_id"),
        Index(None, "edition_id", "placed_at", "hold_id"),
    ),
)
