"""The saga of each order that is to be paid, and the journal of its steps, as the migrations leave them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from shared_kernel.database.metadata import WRITE_METADATA

order_saga = Table(
    "order_saga",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("payment_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_epoch", BigInteger, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("confirm_by", DateTime(timezone=True), nullable=False),
    Column("hold_until", DateTime(timezone=True), nullable=False),
    Column("undo_reason", Text),
    Column("failure", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "payment_id"],
        ["write.payment.tenant_id", "write.payment.payment_id"],
        name="order_saga_payment_fkey",
    ),
    Index("order_saga_due", "due_at", postgresql_where=text("state = 'running'")),
    schema="write",
)
order_saga_step = Table(
    "order_saga_step",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("step", Text, nullable=False),
    Column("note", Text),
    Column("taken_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "order_id"],
        ["write.order_saga.tenant_id", "write.order_saga.order_id"],
        name="order_saga_step_saga_fkey",
    ),
    schema="write",
)
