"""The shape of `snapshots`: what was asked for; the projector builds from it."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.views import View, view_table


class SnapshotRow(msgspec.Struct, frozen=True, kw_only=True):
    """Views wanted as of a position. `as_of` is the moment asked for, where it was one."""

    id: UUID
    views: tuple[str, ...]
    position_asked: int
    as_of: datetime | None
    requested_at: datetime
    expires_at: datetime


VIEW = View(
    name="snapshots",
    version=1,
    row=SnapshotRow,
    key=("id",),
    table=view_table(
        "snapshots",
        1,
        Column("id", Uuid, primary_key=True),
        Column("views", JSONB, nullable=False),
        Column("position_asked", BigInteger, nullable=False),
        Column("as_of", DateTime(timezone=True)),
        Column("requested_at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Index(None, "expires_at"),
    ),
)
