"""The catalogue, as the migrations leave it."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.database.metadata import WRITE_METADATA

edition = Table(
    "edition",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("edition_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("sku", Text, nullable=False),
    Column("isbn13", Text),
    Column("title", Text, nullable=False),
    Column("contributors", JSONB, nullable=False),
    Column("format", Text, nullable=False),
    Column("publisher", Text),
    Column("published_on", Text),
    Column("language", Text),
    Column("subjects", JSONB, nullable=False),
    Column("tax_class", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("list_price_minor", BigInteger, nullable=False),
    Column("popularity", BigInteger),
    Column("discontinued_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("sku", "tenant_id", name="edition_sku_key"),
    UniqueConstraint("isbn13", "tenant_id", name="edition_isbn13_key"),
    schema="write",
)
