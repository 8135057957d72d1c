"""Intents about stores and keys, and what they answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from shared_kernel.access.roles import Role
from shared_kernel.money import CurrencyCode

DEFAULT_TAX_RATES: Mapping[str, int] = {"zero": 0, "reduced": 500, "standard": 2000}
"""Basis points by tax class; the United Kingdom's, where printed books are zero-rated."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class OpenStore(msgspec.Struct, frozen=True, kw_only=True):
    """Open a store."""

    name: Name
    slug: Slug
    currency: CurrencyCode
    timezone: str
    prices_include_tax: bool = True
    tax_rates: dict[str, int] = msgspec.field(default_factory=lambda: dict(DEFAULT_TAX_RATES))
    allowed_origins: tuple[str, ...] = ()


class OpenedStore(msgspec.Struct, frozen=True, kw_only=True):
    """The store that is now open."""

    id: UUID
    slug: str
    version: int


class IssueKey(msgspec.Struct, frozen=True, kw_only=True):
    """Give a principal a key; a new principal unless one of the store's is named, as when rotating."""

    name: Name
    role: Role
    expires_at: datetime | None = None
    principal_id: UUID | None = None
    live: bool = True


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key; `key` is shown here and never again."""

    id: UUID
    principal_id: UUID
    key: str
    version: int


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens nothing any more. `key_hash` is what processes remember it by."""

    id: UUID
    version: int
    key_hash: str
