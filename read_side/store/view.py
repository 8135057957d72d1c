"""The shape of `store`: the tenant's one row."""

from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.views import View, view_table

NAME = "store"
VERSION = 1


class StoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """The store. Its id is the tenant's; `allowed_origins` are those whose pages may call the API from a browser."""

    store_id: UUID
    name: str
    slug: str
    currency: str
    timezone: str
    prices_include_tax: bool
    tax_rates: dict[str, int]
    allowed_origins: tuple[str, ...]


VIEW = View(
    name=NAME,
    version=VERSION,
    row=StoreRow,
    key=("store_id",),
    table=view_table(
        NAME,
        VERSION,
        Column("store_id", Uuid, primary_key=True),
        Column("name", Text, nullable=False),
        Column("slug", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("timezone", Text, nullable=False),
        Column("prices_include_tax", Boolean, nullable=False),
        Column("tax_rates", JSONB, nullable=False),
        Column("allowed_origins", JSONB, nullable=False),
    ),
)
