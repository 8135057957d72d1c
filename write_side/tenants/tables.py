"""The stores, as the migrations leave them."""

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.database.metadata import WRITE_METADATA

tenant = Table(
    "tenant",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("prices_include_tax", Boolean, nullable=False),
    Column("tax_rates", JSONB, nullable=False),
    Column("allowed_origins", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    schema="write",
)
