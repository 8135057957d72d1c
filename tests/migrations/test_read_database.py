"""The read database protects itself: rows by policy, tables by who owns them, and DDL by what it may say."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from migrations.roles import OWNER
from projections.registry import PROJECTIONS
from projections.runtime.codec import table_spec
from shared_kernel.database.roles import DatabaseRole
from tests.builders.projecting import open_runtime
from tests.servers import Servers

_TABLES = """
SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, c.relispartition,
    pg_get_userbyid(c.relowner) AS owner,
    EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_isolation') AS isolated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('read', 'projection') AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
"""


@pytest.fixture
async def admin(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """The administrator, once every projection's tables are there."""
    async with open_runtime(servers, PROJECTIONS):
        connection = await asyncpg.connect(servers.read_admin_url)
        yield connection
        await connection.close()


async def test_every_tenant_table_forces_isolation(admin: asyncpg.Connection) -> None:
    """All of them, every partition too, and none is a login role's."""
    tables = await admin.fetch(_TABLES)
    assert sum(row["relispartition"] for row in tables) >= len(PROJECTIONS)
    assert [row["name"] for row in tables if not row["forced"] or not row["isolated"]] == []
    assert {row["owner"] for row in tables} == {OWNER}


async def test_no_login_role_owns_or_bypasses_anything(admin: asyncpg.Connection) -> None:
    """Neither tables nor functions nor schemas."""
    roles = [role.value for role in DatabaseRole]
    owned = await admin.fetchval(
        "SELECT (SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = ANY($1))"
        " + (SELECT count(*) FROM pg_proc WHERE pg_get_userbyid(proowner) = ANY($1))"
        " + (SELECT count(*) FROM pg_namespace WHERE pg_get_userbyid(nspowner) = ANY($1))"
        " + (SELECT count(*) FROM pg_roles WHERE rolname = ANY($1) AND (rolbypassrls OR rolsuper OR rolcreatedb))",
        roles,
    )
    assert owned == 0


async def test_the_read_api_can_only_select(admin: asyncpg.Connection) -> None:
    """And nothing of a partition by itself."""
    tables = await admin.fetch(_TABLES)
    for verb in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        can = await admin.fetch(
            "SELECT name FROM unnest($1::text[]) name WHERE has_table_privilege('shelfwise_read_api', name, $2)",
            [row["name"] for row in tables],
            verb,
        )
        assert can == []
    for role in DatabaseRole:
        for row in tables:
            if row["relispartition"]:
                assert not await admin.fetchval(
                    "SELECT has_table_privilege($1, $2, 'SELECT')", role.value, row["name"]
                ), row["name"]


async def test_a_store_sees_its_own_rows_alone(servers: Servers, admin: asyncpg.Connection) -> None:
    """Without a tenant the read API sees nothing at all."""
    await admin.execute(
        "INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, revision, rows)"
        " SELECT gen_random_uuid(), 'store', 1, 1, 'live', 0, 0, 0 FROM generate_series(1, 3)"
    )
    api = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    assert await api.fetchval("SELECT count(*) FROM projection.checkpoint") == 0
    one = await admin.fetchval("SELECT tenant_id FROM projection.checkpoint LIMIT 1")
    await api.execute("SELECT set_config('app.tenant_id', $1, false)", str(one))
    assert await api.fetchval("SELECT count(*) FROM projection.checkpoint") == 1
    await api.close()


def spec(**changes: object) -> str:
    """What a projector asks for, but for these changes."""
    good = msgspec.json.decode(table_spec(PROJECTIONS[0].view))
    return msgspec.json.encode(good | {"table": "thing__v1"} | changes).decode()


def column(name: str, kind: str = "TEXT") -> list[dict[str, object]]:
    """The columns every table has, and one more."""
    columns = [("tenant_id", "UUID"), ("build", "INTEGER"), (name, kind)]
    return [{"name": each, "type": its, "nullable": False} for each, its in columns]


@pytest.mark.parametrize(
    "changes",
    [
        {"table": "active_build"},
        {"table": "thing__v1; DROP TABLE read.active_build"},
        {"table": None},
        {"columns": column("id", "TEXT DEFAULT pg_read_file('/etc/passwd')"), "primary_key": ["tenant_id", "build"]},
        {"columns": column('id" text); DROP TABLE read.active_build; --'), "primary_key": ["tenant_id", "build"]},
        {"columns": column("id"), "primary_key": ["id"]},
        {"columns": column("id"), "primary_key": ["tenant_id", "build"], "known_by": "id'; SELECT 1; --"},
        {"columns": column("id"), "primary_key": ["tenant_id", "build"], "known_by": "other"},
    ],
)
async def test_other_tables_are_not_made(servers: Servers, changes: dict[str, object]) -> None:
    """Neither another name nor another type, nor a statement hidden in one."""
    async with open_runtime(servers, ()) as runtime, runtime.read_pool.acquire() as connection:
        with pytest.raises(asyncpg.RaiseError):
            await connection.execute("SELECT projection.create_table($1::jsonb)", spec(**changes))


async def test_the_projector_has_no_other_way_to_change_the_schema(servers: Servers) -> None:
    """Tables are made by the one function, and neither altered nor dropped by hand."""
    async with open_runtime(servers, PROJECTIONS) as runtime, runtime.read_pool.acquire() as connection:
        for statement in (
            "CREATE TABLE read.mine (id int)",
            "DROP TABLE read.order_list__v2",
            "ALTER TABLE read.order_list__v2 DISABLE ROW LEVEL SECURITY",
            "DROP POLICY tenant_isolation ON read.order_list__v2",
            "SELECT projection.protect('order_list__v2', NULL)",
            "SELECT projection.make_table('{}')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("SELECT projection.create_build('active_build', 1)")


async def test_a_build_in_use_is_not_dropped(servers: Servers, admin: asyncpg.Connection) -> None:
    """Not even when the projector asks for it."""
    await admin.execute(
        "INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, revision, rows)"
        " VALUES (gen_random_uuid(), 'store', 1, 1, 'live', 0, 0, 0)"
    )
    async with open_runtime(servers, ()) as runtime, runtime.read_pool.acquire() as connection:
        with pytest.raises(asyncpg.RaiseError, match="still in use"):
            await connection.execute("SELECT projection.drop_build('store', 1, 1)")
