"""Locations, stock and its movements, as the migrations leave them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from shared_kernel.database.metadata import WRITE_METADATA

location = Table(
    "location",
    WRITE_METADATA,
    Column("tenant_id", Uuid, ForeignKey("write.tenant.tenant_id"), primary_key=True),
    Column("location_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    schema="write",
)
stock = Table(
    "stock",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("stock_id", Uuid, primary_key=True),
    Column("location_id", Uuid, nullable=False),
    Column("edition_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("value_minor", BigInteger, nullable=False),
    Column("waiting", Integer, nullable=False, server_default="0"),
    UniqueConstraint("location_id", "edition_id", "tenant_id", name="stock_place_key"),
    ForeignKeyConstraint(
        ["tenant_id", "location_id"],
        ["write.location.tenant_id", "write.location.location_id"],
        name="stock_location_fkey",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "edition_id"], ["write.edition.tenant_id", "write.edition.edition_id"], name="stock_edition_fkey"
    ),
    schema="write",
)
stock_movement = Table(
    "stock_movement",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("stock_id", Uuid, primary_key=True),
    Column("stock_version", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("delta", Integer, nullable=False),
    Column("reserved_delta", Integer, nullable=False),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("value_minor", BigInteger, nullable=False),
    Column("reference_id", Uuid),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "stock_id"], ["write.stock.tenant_id", "write.stock.stock_id"], name="stock_movement_stock_fkey"
    ),
    schema="write",
)
