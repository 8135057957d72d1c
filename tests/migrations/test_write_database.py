"""The write database's schema: what its migrations leave, and what it refuses whatever the code does."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import operations.access.tables
import shared_kernel.access.tables
import shared_kernel.log.tables
import write_side.catalog.tables
import write_side.customers.tables
import write_side.inventory.holds.tables
import write_side.inventory.tables
import write_side.mail.tables
import write_side.order_saga.tables
import write_side.orders.tables
import write_side.payments.tables
import write_side.reactions.tables
import write_side.snapshots.tables
import write_side.tenants.tables
import write_side.webhooks.tables
from migrations.apply import migrate, pending
from shared_kernel.database.metadata import WRITE_METADATA
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.builders.write_side import WriteSide, open_write_side
from tests.servers import Servers

TABLE_MODULES = (
    operations.access.tables,
    shared_kernel.access.tables,
    shared_kernel.log.tables,
    write_side.catalog.tables,
    write_side.customers.tables,
    write_side.inventory.holds.tables,
    write_side.inventory.tables,
    write_side.mail.tables,
    write_side.order_saga.tables,
    write_side.orders.tables,
    write_side.payments.tables,
    write_side.reactions.tables,
    write_side.snapshots.tables,
    write_side.tenants.tables,
    write_side.webhooks.tables,
)
SCHEMAS = ("write", "log", "access", "operations", "reaction")
_TENANT_TABLES = """
SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity, c.relforcerowsecurity,
       (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_isolation') AS policies
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p')
"""


@pytest.fixture
async def write_side_of_two(servers: Servers) -> AsyncIterator[WriteSide]:
    """A store with a sale, beside another without."""
    async with open_write_side(servers) as opened:
        location, edition = await opened.location(), await opened.edition()
        await opened.receive(location, edition, 5)
        await opened.place(location, [(edition, 1)])
        yield opened


async def test_tables_are_described_as_they_are(servers: Servers) -> None:
    """Columns, types, keys, foreign keys, unique constraints and indexes."""
    assert all(module.WRITE_METADATA is WRITE_METADATA for module in TABLE_MODULES)
    engine = create_async_engine(servers.write_admin_url.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
    finally:
        await engine.dispose()
    assert differences == []


async def test_migrating_again_changes_nothing(servers: Servers) -> None:
    """And says that nothing is pending."""
    urls = {"write_admin_url": servers.write_admin_url, "read_admin_url": servers.read_admin_url}
    await migrate(**urls, role_passwords=servers.role_passwords)
    assert (await pending(**urls))["write"] == []


async def test_every_table_of_tenants_is_guarded_by_row_level_security(servers: Servers) -> None:
    """All of them, partitions too, also against their owner."""
    rows = await _ask(servers.write_admin_url, _TENANT_TABLES, list(SCHEMAS))
    assert len(rows) >= 13 + 16
    unguarded = [
        row["name"] for row in rows if not (row["relrowsecurity"] and row["relforcerowsecurity"] and row["policies"])
    ]
    assert unguarded == []


async def test_no_role_that_logs_in_owns_anything_or_passes_the_policies(servers: Servers) -> None:
    """Not a table, not a schema, not a function."""
    roles = [role.value for role in DatabaseRole]
    flags = await _ask(
        servers.write_admin_url,
        "SELECT rolname FROM pg_roles WHERE rolname = ANY($1)"
        " AND (rolbypassrls OR rolsuper OR rolcreaterole OR rolcreatedb)",
        roles,
    )
    assert flags == []
    owned = await _ask(
        servers.write_admin_url,
        "SELECT relname AS name FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE r.rolname = ANY($1)"
        " UNION ALL SELECT nspname FROM pg_namespace JOIN pg_roles r ON r.oid = nspowner WHERE r.rolname = ANY($1)"
        " UNION ALL SELECT proname FROM pg_proc JOIN pg_roles r ON r.oid = proowner WHERE r.rolname = ANY($1)",
        roles,
    )
    assert owned == []


async def test_another_store_sees_nothing_even_by_raw_sql(write_side_of_two: WriteSide) -> None:
    """Not a row of any table, with its own tenant set or with none; nor can it write there."""
    stranger = await write_side_of_two.another_store()
    servers = write_side_of_two.servers
    tables = [row["name"] for row in await _ask(servers.write_admin_url, _TENANT_TABLES, list(SCHEMAS))]
    filled = []
    for table in tables:
        count = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"  # noqa: S608 - names from the catalog
        if (await _ask(servers.write_admin_url, count, write_side_of_two.tenant.id))[0]["count"]:
            filled.append(table)
    assert len(filled) >= 9
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.WRITE_API))
    try:
        for setting in (str(stranger.id), ""):
            await connection.execute("SELECT set_config('app.tenant_id', $1, false)", setting)
            for table in filled:
                try:
                    seen = await connection.fetchval(
                        f"SELECT count(*) FROM {table} WHERE tenant_id = $1",  # noqa: S608 - the same
                        write_side_of_two.tenant.id,
                    )
                except asyncpg.InsufficientPrivilegeError:  # partitions have no grants of their own
                    continue
                assert seen == 0, table
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(stranger.id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO write.location (tenant_id, location_id, version, name, kind, created_at)"
                " VALUES ($1, $2, 1, 'x', 'shop', now())",
                write_side_of_two.tenant.id,
                new_id(),
            )
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE write.stock_movement SET delta = 0",
        "DELETE FROM write.stock_movement",
        "UPDATE log.event SET payload = '{}'",
        "DELETE FROM log.event",
        "DELETE FROM write.sales_order",
        "UPDATE write.goods_return SET net_minor = 0",
        "UPDATE log.event_00 SET payload = '{}'",
        "UPDATE write.payment_entry SET amount_minor = 1",
        "DELETE FROM write.payment_operation",
        "DELETE FROM write.order_saga_step",
    ],
)
async def test_history_cannot_be_changed(write_side_of_two: WriteSide, statement: str) -> None:
    """By the role that writes it."""
    connection = await asyncpg.connect(write_side_of_two.servers.url_as(DatabaseRole.WRITE_API))
    try:
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(write_side_of_two.tenant.id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_database_itself_refuses_to_sell_what_is_not_there(write_side_of_two: WriteSide) -> None:
    """Whatever the code above it believes."""
    connection = await asyncpg.connect(write_side_of_two.servers.url_as(DatabaseRole.WRITE_API))
    try:
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(write_side_of_two.tenant.id))
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE write.stock SET reserved = on_hand + 1")
    finally:
        await connection.close()


def _differences(connection: Connection) -> list[Any]:  # Any: alembic's tuples have no type
    context = MigrationContext.configure(
        connection,
        opts={"include_schemas": True, "include_object": _is_ours, "compare_type": True, "include_name": _in_schemas},
    )
    return list(compare_metadata(context, WRITE_METADATA))


def _in_schemas(name: str | None, kind: str, _parents: Any) -> bool:  # noqa: ANN401 - the same
    return kind != "schema" or name in SCHEMAS


def _is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:  # noqa: ANN401, FBT001 - the same
    return not (kind == "table" and name is not None and (name == "alembic_version" or name.startswith("event_")))


async def _ask(url: str, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        return rows
    finally:
        await connection.close()
