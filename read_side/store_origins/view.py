"""The shape of `store_origins`: the origins a store lists, one a row."""

import msgspec
from sqlalchemy import Column, Text

from shared_kernel.views import View, view_table

NAME = "store_origins"
VERSION = 1


class OriginRow(msgspec.Struct, frozen=True, kw_only=True):
    """Such as `https://shop.example`."""

    origin: str


_TABLE = view_table(NAME, VERSION, Column("origin", Text, primary_key=True))
# A preflight has no tenant: who names an origin in `app.origin` learns whether any store lists it, and nothing else.
_TABLE.info["known_by"] = "origin"

VIEW = View(name=NAME, version=VERSION, row=OriginRow, key=("origin",), table=_TABLE)
