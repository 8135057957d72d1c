"""The shape of `principal`: API keys by their hash, so that the read side knows who asks without the write database."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, DateTime, Text, Uuid

from shared_kernel.views import View, view_table

NAME = "principal"
VERSION = 1


class PrincipalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key's owner and role. The store's own facts are the `store` view's: a row's fold sees no other row."""

    key_hash: str
    key_id: UUID
    principal_id: UUID
    role: str
    expires_at: datetime | None
    revoked: bool


_TABLE = view_table(
    NAME,
    VERSION,
    Column("key_hash", Text, primary_key=True),
    Column("key_id", Uuid, nullable=False),
    Column("principal_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked", Boolean, nullable=False),
)
# Nobody knows the tenant before the key is known: who names the hash in `app.key_hash` sees that row, and no other.
_TABLE.info["known_by"] = "key_hash"

VIEW = View(name=NAME, version=VERSION, row=PrincipalRow, key=("key_hash",), table=_TABLE)
