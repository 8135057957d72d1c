"""API keys and stored responses, as the migrations leave them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.database.metadata import WRITE_METADATA

api_key = Table(
    "api_key",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("key_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("principal_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Index("api_key_by_hash", "key_hash"),
    schema="access",
)
idempotent_response = Table(
    "idempotent_response",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("key_digest", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("idempotent_response_by_age", "created_at"),
    schema="access",
)
