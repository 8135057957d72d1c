"""`projections explain`, as the projector's role reads both databases."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import UUID

from operations.errors import CommandFailed
from operations.in_house import pool_as
from operations.servers.installation import Installation
from projections.explanation.explain import Explainer, Explanation, NothingTouchedError
from projections.registry import PROJECTIONS
from projections.runtime.catalog import Catalog, ensure_tables
from shared_kernel.database.roles import DatabaseRole


async def explain_row(
    installation: Installation,
    name: str,
    key: str,
    *,
    tenant_id: UUID,
    limit: int,
    on_indexed: Callable[[int, int], None] = lambda _done, _of: None,
    role: DatabaseRole = DatabaseRole.PROJECTOR,
) -> Explanation:
    """The events behind one row.

    Args:
        installation: whose.
        name: of the projection.
        key: as `verify` prints it.
        tenant_id: whose row.
        limit: changes at most, the last ones.
        on_indexed: is told how far the index of keys is, where it is brought up to date.
        role: who reads; only a projector may keep the index.

    Raises:
        CommandFailed: there is no such row, nor was there ever.
    """
    catalog = Catalog(PROJECTIONS)
    async with AsyncExitStack() as stack:
        log_pool = await stack.enter_async_context(pool_as(role, installation, read=False))
        read_pool = await stack.enter_async_context(pool_as(role, installation, read=True))
        is_projector = role is DatabaseRole.PROJECTOR
        if is_projector:
            async with read_pool.acquire() as connection:
                await ensure_tables(connection, catalog)  # where no projector of this release has run yet
        explainer = Explainer(
            log_pool=log_pool, read_pool=read_pool, catalog=catalog, on_indexed=on_indexed, keeps_index=is_projector
        )
        try:
            return await explainer.explain(name, key, tenant_id=tenant_id, limit=limit)
        except NothingTouchedError as error:
            columns = "|".join(catalog.subject(name).projection.view.key)
            raise CommandFailed(f"{error}; a key of {name} is written {columns}") from error
