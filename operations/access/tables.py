"""Operators' keys, the audit, answered calls and verifications, as the migrations leave them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.database.metadata import WRITE_METADATA

operator_key = Table(
    "operator_key",
    WRITE_METADATA,
    Column("key_id", Uuid, primary_key=True),
    Column("operator_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("session_of", Uuid, ForeignKey("operations.operator_key.key_id")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    UniqueConstraint("key_hash"),
    schema="operations",
)
audit = Table(
    "audit",
    WRITE_METADATA,
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("phase", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", JSONB, nullable=False),
    Column("request_id", Text),
    Column("detail", Text),
    schema="operations",
)
answered_call = Table(
    "answered_call",
    WRITE_METADATA,
    Column("operator_id", Uuid, primary_key=True),
    Column("key_digest", Text, primary_key=True),
    Column("request_digest", Text, nullable=False),
    Column("resource_id", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("claimed_until", DateTime(timezone=True), nullable=False),
    Column("status", SmallInteger),
    Column("location", Text),
    Column("body", LargeBinary),
    Index("answered_call_by_age", "created_at"),
    schema="operations",
)
verification = Table(
    "verification",
    WRITE_METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("only_tenant", Uuid),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("events_done", BigInteger, nullable=False),
    Column("events", BigInteger),
    Column("finding", JSONB),
    Column("error", Text),
    Column("finished_at", DateTime(timezone=True)),
    Index("verification_by_age", "requested_at"),
    schema="operations",
)
