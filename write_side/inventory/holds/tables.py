"""Holds, as the migrations leave them."""

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Index, Integer, Table, Text, Uuid, text

from shared_kernel.database.metadata import WRITE_METADATA

hold = Table(
    "hold",
    WRITE_METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("hold_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("location_id", Uuid, nullable=False),
    Column("edition_id", Uuid, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("allocated", Integer, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("expiry_attempts", Integer, nullable=False),
    Column("expiry_retry_at", DateTime(timezone=True)),
    ForeignKeyConstraint(
        ["tenant_id", "location_id"],
        ["write.location.tenant_id", "write.location.location_id"],
        name="hold_location_fkey",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "edition_id"], ["write.edition.tenant_id", "write.edition.edition_id"], name="hold_edition_fkey"
    ),
    Index(
        "hold_waiting",
        "location_id",
        "edition_id",
        "placed_at",
        "tenant_id",
        postgresql_where=text("status = 'waiting'"),
    ),
    Index(
        "hold_expiring",
        "expires_at",
        postgresql_where=text("status IN ('waiting', 'ready') AND expires_at IS NOT NULL"),
    ),
    schema="write",
)
