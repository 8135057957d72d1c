"""The shape of `stock_movements`: one row a change of stock, never changed again."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table

NAME = "stock_movements"
VERSION = 1


class StockMovement(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, and what stood after it.

    Attributes:
        id: the event's.
        at: when it happened in the store; an import's is long ago.
        kind: receipt, adjustment, count, transfer, reservation, release, shipment, return, write_off, hold or
            hold_release.
        reference_id: of the receipt, transfer, order, hold or return behind it; None for adjustments and counts.
        reason: of an adjustment; of a write-off its disposition, damage or to_supplier.
        actor: who did it: a principal's id, or a name such as `import`.
    """

    id: UUID
    at: datetime
    edition_id: UUID
    location_id: UUID
    kind: str
    delta: int
    reserved_delta: int
    on_hand: int
    reserved: int
    reference_id: UUID | None
    reason: str | None
    actor: str


VIEW = View(
    name=NAME,
    version=VERSION,
    row=StockMovement,
    key=("id",),
    table=view_table(
        NAME,
        VERSION,
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("edition_id", Uuid, nullable=False),
        Column("location_id", Uuid, nullable=False),
        Column("kind", Text, nullable=False),
        Column("delta", Integer, nullable=False),
        Column("reserved_delta", Integer, nullable=False),
        Column("on_hand", Integer, nullable=False),
        Column("reserved", Integer, nullable=False),
        Column("reference_id", Uuid),
        Column("reason", Text),
        Column("actor", Text, nullable=False),
        Index(None, "at", "id"),
        Index(None, "edition_id", "at", "id"),
        Index(None, "location_id", "at", "id"),
        Index(None, "kind", "at", "id"),
    ),
)
