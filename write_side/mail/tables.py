"""Mail to be sent: the outbox, without anything personal."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from shared_kernel.database.metadata import WRITE_METADATA

mail = Table(
    "mail",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("mail_id", Uuid, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("template", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["tenant_id", "customer_id"], ["write.customer.tenant_id", "write.customer.customer_id"]),
    UniqueConstraint("event_id", "tenant_id", name="mail_event_key"),
    Index("mail_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
    schema="write",
)
