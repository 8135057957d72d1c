"""Receivers, and what is to be sent to them: the outbox."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from shared_kernel.database.metadata import WRITE_METADATA

webhook = Table(
    "webhook",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("webhook_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("description", Text),
    Column("status", Text, nullable=False),
    Column("secret_number", Integer, nullable=False),
    Column("rotated_at", DateTime(timezone=True)),
    Column("failing_since", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["write.tenant.tenant_id"]),
    schema="write",
)
webhook_delivery = Table(
    "webhook_delivery",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("delivery_id", Uuid, primary_key=True),
    Column("webhook_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["tenant_id", "webhook_id"], ["write.webhook.tenant_id", "write.webhook.webhook_id"]),
    UniqueConstraint("webhook_id", "event_id", "tenant_id", name="webhook_delivery_event_key"),
    Index("webhook_delivery_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
    Index("webhook_delivery_by_position", "webhook_id", "position"),
    Index("webhook_delivery_by_age", "created_at"),
    schema="write",
)
