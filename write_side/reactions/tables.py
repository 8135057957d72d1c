"""The tables of the reactions' runtime, as the migrations leave them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from shared_kernel.database.metadata import WRITE_METADATA

_SCHEMA = "reaction"

lease = Table(
    "lease",
    WRITE_METADATA,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Uuid),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("trying", Text),
    schema=_SCHEMA,
)
worker = Table(
    "worker",
    WRITE_METADATA,
    Column("worker_id", Uuid, primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    schema=_SCHEMA,
)
subscription = Table(
    "subscription",
    WRITE_METADATA,
    Column("reaction", Text, primary_key=True),
    Column("begins", Text, nullable=False),
    Column("subscribed_at", DateTime(timezone=True), nullable=False),
    Column("followed_at", DateTime(timezone=True), nullable=False),
    schema=_SCHEMA,
)
checkpoint = Table(
    "checkpoint",
    WRITE_METADATA,
    Column("reaction", Text, primary_key=True),
    Column("tenant_id", Uuid, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("parked", Integer, nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["reaction"], ["reaction.subscription.reaction"]),
    ForeignKeyConstraint(["tenant_id"], ["write.tenant.tenant_id"]),
    schema=_SCHEMA,
)
parked_key = Table(
    "parked_key",
    WRITE_METADATA,
    Column("reaction", Text, primary_key=True),
    Column("tenant_id", Uuid, primary_key=True),
    Column("key", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["reaction", "tenant_id"], ["reaction.checkpoint.reaction", "reaction.checkpoint.tenant_id"]),
    UniqueConstraint("id"),
    Index("parked_key_due", "next_attempt_at", postgresql_where=text("state = 'retrying'")),
    schema=_SCHEMA,
)
parked_event = Table(
    "parked_event",
    WRITE_METADATA,
    Column("reaction", Text, primary_key=True),
    Column("tenant_id", Uuid, primary_key=True),
    Column("key", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    ForeignKeyConstraint(
        ["reaction", "tenant_id", "key"],
        ["reaction.parked_key.reaction", "reaction.parked_key.tenant_id", "reaction.parked_key.key"],
        ondelete="CASCADE",
    ),
    schema=_SCHEMA,
)
skipped_event = Table(
    "skipped_event",
    WRITE_METADATA,
    Column("reaction", Text, primary_key=True),
    Column("tenant_id", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("key", Uuid, nullable=False),
    Column("parked_id", Uuid, nullable=False),
    Column("skipped_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("skipped_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["reaction", "tenant_id"], ["reaction.checkpoint.reaction", "reaction.checkpoint.tenant_id"]),
    schema=_SCHEMA,
)
