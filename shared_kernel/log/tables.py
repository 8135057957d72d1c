"""The event log's tables, as the migrations leave them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.database.metadata import WRITE_METADATA

tenant_head = Table(
    "tenant_head",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("shard", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Index("tenant_head_by_shard", "shard"),
    schema="log",
)
event = Table(
    "event",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("stream_type", Text, nullable=False),
    Column("stream_id", Uuid, nullable=False),
    Column("stream_version", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("schema_version", SmallInteger, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("stream_id", "stream_version", "tenant_id"),
    schema="log",
)
archive = Table(
    "archive",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("from_position", BigInteger, primary_key=True),
    Column("to_position", BigInteger, nullable=False),
    Column("uri", Text, nullable=False),
    Column("events", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False),
    Column("verified_at", DateTime(timezone=True)),
    Column("removed_at", DateTime(timezone=True)),
    schema="log",
)
