"""Stream `store` (id: the tenant's) and stream `api_key` (id: the key's)."""

from datetime import datetime
from uuid import UUID

from shared_kernel.events.envelope import Event


class StoreOpened(Event, frozen=True, kw_only=True):
    """A tenant exists. Tax rates are basis points by tax class."""

    stream_type = "store"

    name: str
    slug: str
    currency: str
    timezone: str
    prices_include_tax: bool
    tax_rates: dict[str, int]
    allowed_origins: tuple[str, ...]


class ApiKeyIssued(Event, frozen=True, kw_only=True):
    """A principal may act with the key that hashes to `key_hash` (hex HMAC-SHA-256), until `expires_at`."""

    stream_type = "api_key"

    key_id: UUID
    principal_id: UUID
    name: str
    role: str
    key_hash: str
    expires_at: datetime | None


class ApiKeyRevoked(Event, frozen=True, kw_only=True):
    """The key opens nothing from here on."""

    stream_type = "api_key"

    key_id: UUID
    key_hash: str
