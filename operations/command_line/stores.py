"""Finding stores by what people call them."""

from collections.abc import Sequence

from operations.errors import CommandFailed
from shared_kernel.database.pool import Pool
from shared_kernel.tenancy import Tenant
from write_side.tenants import repository


async def store_named(operator_pool: Pool, slug: str) -> Tenant:
    """The store with this slug.

    Raises:
        CommandFailed: there is none.
    """
    async with operator_pool.acquire() as connection:
        store = await repository.store_by_slug(connection, slug)
    if store is None:
        raise CommandFailed(f"there is no store with the slug {slug!r}: `shelfwise tenants list` shows those there are")
    return store


async def all_stores(operator_pool: Pool) -> Sequence[Tenant]:
    """Every store, by slug."""
    async with operator_pool.acquire() as connection:
        return await repository.stores(connection)
