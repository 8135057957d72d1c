"""Stores' API keys, as whoever operates the platform hands them out, lists and ends them."""

from datetime import datetime
from uuid import UUID

import msgspec

from operations.in_house import InHouse
from operations.stores import store_named
from shared_kernel.errors import NotFoundError
from shared_kernel.tenancy import Tenant
from write_side.tenants import administration
from write_side.tenants.commands import IssuedKey, IssueKey

_MAX_LISTED = 1_000
_LIST = """
SELECT t.slug AS tenant, k.key_id AS id, k.principal_id, k.name, k.role, k.created_at, k.expires_at, k.revoked_at
FROM access.api_key k JOIN write.tenant t USING (tenant_id)
WHERE $1::text IS NULL OR t.slug = $1 ORDER BY t.slug, k.created_at, k.key_id LIMIT $2
"""
_STORE_OF = """
SELECT t.tenant_id AS id, t.slug, t.currency, t.timezone FROM access.api_key k JOIN write.tenant t USING (tenant_id)
WHERE k.key_id = $1
"""


class UnknownKey(NotFoundError):
    """There is no such key (404)."""

    code = "unknown_key"


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; its text is not. An operator's belongs to no store."""

    tenant: str | None
    id: UUID
    principal_id: UUID
    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def issue_store_key(house: InHouse, slug: str, wanted: IssueKey, *, actor: str) -> IssuedKey:
    """Hand out a key; its text exists in the answer only."""
    store = await store_named(house.operator_pool, slug)
    return await administration.issue_key(house.execution, store, wanted, secret_key=house.secret_key, actor=actor)


async def store_keys(house: InHouse, slug: str | None) -> tuple[ListedKey, ...]:
    """The keys of one store or of all, by store and age."""
    if slug is not None:
        await store_named(house.operator_pool, slug)
    return tuple(ListedKey(**dict(row)) for row in await house.operator_pool.fetch(_LIST, slug, _MAX_LISTED))


async def revoke_store_key(house: InHouse, key_id: UUID, *, actor: str) -> None:
    """End a key, everywhere and at once; ending it again changes nothing.

    Raises:
        UnknownKey: no store has it.
    """
    row = await house.operator_pool.fetchrow(_STORE_OF, key_id)
    if row is None:
        raise UnknownKey(f"there is no key with the id {key_id}: `shelfwise keys list` shows those there are")
    store = Tenant(**dict(row))
    await administration.revoke_key(house.execution, store, key_id, revocations=house.revocations, actor=actor)
