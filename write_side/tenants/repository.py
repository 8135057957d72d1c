"""Stores and keys in the write database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.log.partitions import shard_of
from shared_kernel.tenancy import Tenant
from write_side.tenants.commands import OpenStore
from write_side.tenants.errors import SlugTaken, StoreMissing

_OPEN = """
WITH opened AS (
    INSERT INTO write.tenant (tenant_id, version, slug, name, currency, timezone, prices_include_tax, tax_rates,
                              allowed_origins, created_at)
    VALUES ($1, 1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)
)
INSERT INTO log.tenant_head (tenant_id, shard, position, recorded_at) VALUES ($1, $10, 0, $9)
"""
_SETTINGS = "SELECT prices_include_tax, tax_rates::text AS tax_rates FROM write.tenant WHERE tenant_id = $1"
_ADD_KEY = """
INSERT INTO access.api_key (tenant_id, key_id, version, principal_id, name, role, key_hash, created_at, expires_at)
VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8)
"""
_HAS_PRINCIPAL = "SELECT EXISTS (SELECT FROM access.api_key WHERE tenant_id = $1 AND principal_id = $2)"
_LOCK_KEY = """
SELECT key_id, version, key_hash, revoked_at FROM access.api_key WHERE tenant_id = $1 AND key_id = $2 FOR NO KEY UPDATE
"""
_REVOKE_KEY = "UPDATE access.api_key SET version = $3, revoked_at = $4 WHERE tenant_id = $1 AND key_id = $2"
_STORES = "SELECT tenant_id, slug, currency, timezone FROM write.tenant"


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What prices are made of. Tax rates are basis points by tax class."""

    prices_include_tax: bool
    tax_rates: dict[str, int]

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "StoreSettings":
        """From the columns `prices_include_tax` and `tax_rates` (as text), whatever else the row holds."""
        rates = msgspec.json.decode(row["tax_rates"], type=dict[str, int])
        return cls(prices_include_tax=row["prices_include_tax"], tax_rates=rates)


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept."""

    key_id: UUID
    version: int
    key_hash: str
    revoked_at: datetime | None


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to keep."""

    key_id: UUID
    principal_id: UUID
    name: str
    role: str
    key_hash: str
    expires_at: datetime | None


async def open_store(connection: Connection, tenant_id: UUID, command: OpenStore, now: datetime) -> None:
    """Add the store and its log's head, at position 0.

    Raises:
        SlugTaken: another store has the slug.
    """
    try:
        await connection.execute(
            _OPEN,
            tenant_id,
            command.slug,
            command.name,
            command.currency,
            command.timezone,
            command.prices_include_tax,
            msgspec.json.encode(command.tax_rates).decode(),
            list(command.allowed_origins),
            now,
            shard_of(tenant_id),
        )
    except asyncpg.UniqueViolationError as error:
        raise SlugTaken(f"a store with the slug {command.slug} exists") from error


async def settings_of(connection: Connection, tenant_id: UUID) -> StoreSettings:
    """The settings of the tenant's store.

    Raises:
        StoreMissing: it was never opened here.
    """
    row = await connection.fetchrow(_SETTINGS, tenant_id)
    if row is None:
        raise StoreMissing("the tenant has no store in this database")
    return StoreSettings.from_row(row)


async def add_key(connection: Connection, tenant_id: UUID, key: NewKey, now: datetime) -> None:
    """Keep a new key's hash."""
    await connection.execute(
        _ADD_KEY, tenant_id, key.key_id, key.principal_id, key.name, key.role, key.key_hash, now, key.expires_at
    )


async def has_principal(connection: Connection, tenant_id: UUID, principal_id: UUID) -> bool:
    """Whether any key of the store, even a revoked one, belongs to the principal."""
    return bool(await connection.fetchval(_HAS_PRINCIPAL, tenant_id, principal_id))


async def lock_key(connection: Connection, tenant_id: UUID, key_id: UUID) -> StoredKey | None:
    """The key, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK_KEY, tenant_id, key_id)
    return StoredKey(**dict(row)) if row else None


async def revoke_key(connection: Connection, tenant_id: UUID, *, key_id: UUID, version: int, now: datetime) -> None:
    """Let the key open nothing any more."""
    await connection.execute(_REVOKE_KEY, tenant_id, key_id, version, now)


async def stores(connection: Connection) -> Sequence[Tenant]:
    """Every store there is, by slug; for the operator's role, which may look across tenants."""
    rows = await connection.fetch(f"{_STORES} ORDER BY slug")
    return [_tenant(row) for row in rows]


async def store_by_slug(connection: Connection, slug: str) -> Tenant | None:
    """One store; for the operator's role."""
    row = await connection.fetchrow(f"{_STORES} WHERE slug = $1", slug)
    return _tenant(row) if row else None


def _tenant(row: asyncpg.Record) -> Tenant:
    return Tenant(id=row["tenant_id"], slug=row["slug"], currency=row["currency"], timezone=row["timezone"])
