"""Snapshots, as the migrations leave them."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from shared_kernel.database.metadata import WRITE_METADATA

snapshot = Table(
    "snapshot",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("snapshot_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("views", ARRAY(Text), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("snapshot_by_expiry", "tenant_id", "expires_at"),
    schema="write",
)
