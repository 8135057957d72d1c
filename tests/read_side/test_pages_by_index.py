"""Pages that an index holds in their order: every list has them, and PostgreSQL reads them so whatever it knows."""

from collections.abc import Iterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from projections.registry import PROJECTIONS
from projections.runtime.catalog import Catalog, ensure_tables
from read_side.edition_catalogue.queries import EDITIONS
from read_side.fulfilments.queries import FULFILMENTS
from read_side.holds.queries import HOLDS
from read_side.locations.queries import LOCATIONS
from read_side.order_list.queries import ORDERS
from read_side.payments.queries import PAYMENTS
from read_side.query_execution import ListQuery, ListSpecification
from read_side.query_execution.lists.statements import gathered_statement, list_statement
from read_side.query_execution.one_statement import with_state
from read_side.stock_levels.queries import LOW, STOCK
from read_side.stock_movements.queries import MOVEMENTS
from read_side.webhook_deliveries.queries import DELIVERIES
from read_side.webhooks.queries import WEBHOOKS
from shared_kernel.database.pool import IN_INDEX_ORDER
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from shared_kernel.views import DOCUMENT
from tests.servers import Servers

_LISTS = (
    *(EDITIONS, FULFILMENTS, HOLDS, LOCATIONS, ORDERS, PAYMENTS),
    *(STOCK, LOW, MOVEMENTS, DELIVERIES, WEBHOOKS),
)


def _statements() -> Iterator[tuple[str, str, int]]:
    """Every list by every sort in either direction: what it is, its text, and how many parameters that has."""
    for specification in _LISTS:
        for sort in (*specification.sorts, *(f"-{sort}" for sort in specification.sorts)):
            statement, arguments = list_statement(specification, ListQuery(conditions=(), sort=sort))
            assert statement.is_held_in_order, f"{specification.view.label} has no index for {sort}"
            parameters = 2 + len(arguments)
            yield f"{specification.view.label} by {sort}", with_state(statement.text, parameters), parameters
            if specification.columns == (DOCUMENT,):
                gathered, _ = gathered_statement(specification, ListQuery(conditions=(), sort=sort), keyed=True)
                yield f"{specification.view.label} gathered", with_state(gathered.text, parameters), parameters


@pytest.mark.parametrize("specification", [LOW, ORDERS])
def test_every_sort_of_every_list_has_an_index(specification: ListSpecification) -> None:
    """Checked where the statements are made; and there is more than one list."""
    assert specification in _LISTS
    assert len(list(_statements())) > len(_LISTS)
    assert "gathered" in "".join(name for name, _, _ in _statements())


async def test_no_page_is_sorted(servers: Servers) -> None:
    """On the pages' connections each is read off its index, of whichever build, with nothing known of the rows."""
    async with AsyncExitStack() as stack:
        projector = await asyncpg.connect(servers.url_as(DatabaseRole.PROJECTOR))
        stack.push_async_callback(projector.close)
        await ensure_tables(projector, Catalog(PROJECTIONS))
        owner = await asyncpg.connect(servers.read_admin_url)
        stack.push_async_callback(owner.close)
        for table in {specification.view.table.fullname for specification in _LISTS}:
            await owner.execute(f"CREATE TABLE {table}_b2 PARTITION OF {table} FOR VALUES IN (2)")
        api = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API), server_settings=dict(IN_INDEX_ORDER))
        stack.push_async_callback(api.close)
        for name, text, parameters in _statements():
            await api.execute(f"PREPARE page AS {text}")
            limit = ["21"] * (parameters - 2)
            values = ", ".join([f"'{new_id()}'", "1", *limit, "'x'", "1"])
            plan = "\n".join(row[0] for row in await api.fetch(f"EXPLAIN (COSTS OFF) EXECUTE page({values})"))
            await api.execute("DEALLOCATE page")
            assert "$1" in plan, f"{name} was planned for its values"
            assert "Index Cond: ((tenant_id = $1) AND (build = " in plan, f"{name}: {plan}"
            assert "Sort" not in plan.replace("Sort Key", ""), f"{name} is sorted: {plan}"
            assert "Bitmap" not in plan, f"{name}: {plan}"
