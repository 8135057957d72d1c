"""Stores: found by what people call them, and opened."""

from collections.abc import Sequence
from uuid import UUID

from operations.in_house import InHouse
from shared_kernel.database.pool import Pool
from shared_kernel.errors import NotFoundError
from shared_kernel.tenancy import Tenant
from write_side.tenants import administration, repository
from write_side.tenants.commands import OpenStore

_BY_ID = "SELECT tenant_id AS id, slug, currency, timezone FROM write.tenant WHERE tenant_id = $1"


class UnknownStore(NotFoundError):
    """There is no store of that name (404)."""

    code = "unknown_store"


async def store_named(operator_pool: Pool, slug: str) -> Tenant:
    """The store with this slug.

    Raises:
        UnknownStore: there is none.
    """
    async with operator_pool.acquire() as connection:
        store = await repository.store_by_slug(connection, slug)
    if store is None:
        raise UnknownStore(f"there is no store with the slug {slug!r}: `shelfwise tenants list` shows those there are")
    return store


async def tenant_id_of(operator_pool: Pool, slug: str | None) -> UUID | None:
    """The id of the store with this slug; None, for all stores, where none is named."""
    return None if slug is None else (await store_named(operator_pool, slug)).id


async def all_stores(operator_pool: Pool) -> Sequence[Tenant]:
    """Every store, by slug."""
    async with operator_pool.acquire() as connection:
        return await repository.stores(connection)


async def open_store(house: InHouse, opening: OpenStore, *, actor: str, tenant_id: UUID | None = None) -> Tenant:
    """Open a store; under an id that was chosen for it before, twice is once."""
    if tenant_id is not None:
        row = await house.operator_pool.fetchrow(_BY_ID, tenant_id)
        if row is not None:
            return Tenant(**dict(row))
    return await administration.open_store(house.execution, opening, actor=actor, tenant_id=tenant_id)
