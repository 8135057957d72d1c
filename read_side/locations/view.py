"""The shape of `locations`."""

from uuid import UUID

import msgspec
from sqlalchemy import Column, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table

NAME = "locations"
VERSION = 1


class LocationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A place that holds stock: a `shop` or a `warehouse`. `version` is the aggregate's, for `If-Match`."""

    id: UUID
    name: str
    kind: str
    version: int


VIEW = View(
    name=NAME,
    version=VERSION,
    row=LocationRow,
    key=("id",),
    table=view_table(
        NAME,
        VERSION,
        Column("id", Uuid, primary_key=True),
        Column("name", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Index(None, "name", "id"),
    ),
)
