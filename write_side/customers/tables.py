"""Customers, and apart from them who they are."""

from sqlalchemy import Boolean, Column, DateTime, ForeignKeyConstraint, Integer, Table, Text, Uuid

from shared_kernel.database.metadata import WRITE_METADATA

_CUSTOMER = ["write.customer.tenant_id", "write.customer.customer_id"]

customer = Table(
    "customer",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("marketing_consent", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["write.tenant.tenant_id"]),
    schema="write",
)
customer_person = Table(
    "customer_person",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("phone", Text),
    ForeignKeyConstraint(["tenant_id", "customer_id"], _CUSTOMER),
    schema="write",
)
person_to_show = Table(
    "person_to_show",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["tenant_id", "customer_id"], _CUSTOMER),
    schema="write",
)
order_customer = Table(
    "order_customer",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    ForeignKeyConstraint(["tenant_id", "order_id"], ["write.sales_order.tenant_id", "write.sales_order.order_id"]),
    ForeignKeyConstraint(["tenant_id", "customer_id"], _CUSTOMER),
    schema="write",
)
