"""Migrations and health by the command line."""

from pathlib import Path

import asyncpg

from tests.command_line import on_servers
from tests.servers import Servers


async def test_check_finds_a_missing_migration(servers: Servers, tmp_path: Path) -> None:
    """Exit 0 where both are current, 1 and the revision's name where one is not; `--check` changes nothing."""
    shelfwise = on_servers(servers, tmp_path)
    assert shelfwise.answer("migrate", "--check") == {"pending": {"write": [], "read": []}, "applied": False}
    connection = await asyncpg.connect(servers.read_admin_url)
    forgotten = await connection.fetchval("DELETE FROM projection.alembic_version RETURNING version_num")
    await connection.close()
    for _ in range(2):
        checked = shelfwise.run("migrate", "--check", "--json")
        assert checked.code == 1
        assert forgotten in checked.answer["pending"]["read"]


def test_doctor_names_what_is_wrong(servers: Servers, tmp_path: Path) -> None:
    """Servers and schema are fine; that nobody projects or reacts is a fault."""
    shelfwise = on_servers(servers, tmp_path)
    done = shelfwise.run("doctor", "--json")
    checks = {one["name"]: one for one in done.answer["checks"]}
    assert done.code == 1
    assert not done.answer["healthy"]
    assert [name for name, one in checks.items() if not one["ok"]] == ["projectors", "reactions"]
    assert "nobody projects" in checks["projectors"]["detail"]


def test_doctor_tells_servers_apart(servers: Servers, tmp_path: Path) -> None:
    """A dead Redis hides nothing that the databases say."""
    shelfwise = on_servers(servers, tmp_path)
    done = shelfwise.run("doctor", "--json", variables={"SHELFWISE_REDIS_URL": "redis://127.0.0.1:1"})
    checks = {one["name"]: one["ok"] for one in done.answer["checks"]}
    assert done.code == 1
    assert (checks["redis"], checks["write database"], checks["migrations"]) == (False, True, True)
