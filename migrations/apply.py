"""Bring both databases to this release's schema: roles, then each history, one migration at a time across processes."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from migrations.roles import ensure_roles
from shared_kernel.database.roles import RolePasswords

_HISTORIES = Path(__file__).parent
_LOCK = 0x5EE1F
"""Alembic takes no lock of its own: this advisory one makes a second migration wait for the first."""


async def migrate(*, write_admin_url: str, read_admin_url: str, role_passwords: RolePasswords) -> None:
    """Create roles and upgrade both histories to their heads; doing it again changes nothing.

    Args:
        write_admin_url: of a user that may create roles and schemas.
        read_admin_url: the same for the read database, which may be another server.
        role_passwords: what the login roles log in with from now on.
    """
    for history, url in (("write", write_admin_url), ("read", read_admin_url)):
        administrator = await asyncpg.connect(url)
        try:
            await ensure_roles(administrator, role_passwords)
        finally:
            await administrator.close()
        await _with_connection(url, lambda connection, history=history: _upgrade(connection, history))


async def pending(*, write_admin_url: str, read_admin_url: str) -> dict[str, list[str]]:
    """Revisions not yet applied, by history; empty lists mean both databases are current."""
    found: dict[str, list[str]] = {}
    for history, url in (("write", write_admin_url), ("read", read_admin_url)):
        found[history] = []
        await _with_connection(
            url, lambda connection, history=history: found[history].extend(_missing(connection, history))
        )
    return found


async def _with_connection(url: str, work) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    engine = create_async_engine(_sqlalchemy_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
            await connection.commit()
    finally:
        await engine.dispose()


def alembic_config(history: str) -> Config:
    """Alembic's configuration of one history, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(_HISTORIES / history))
    config.set_main_option("path_separator", "os")
    return config


def version_schema(history: str) -> str:
    """The schema that holds a history's `alembic_version`."""
    return {"write": "write", "read": "projection"}[history]


def _upgrade(connection: Connection, history: str) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.execute(text("SET ROLE shelfwise_owner"))
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {version_schema(history)}"))
    connection.commit()
    config = alembic_config(history)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


def _missing(connection: Connection, history: str) -> list[str]:
    scripts = ScriptDirectory.from_config(alembic_config(history))
    context = MigrationContext.configure(connection, opts={"version_table_schema": version_schema(history)})
    applied = set(context.get_current_heads())
    return [script.revision for script in scripts.walk_revisions() if not _reached(scripts, applied, script.revision)]


def _reached(scripts: ScriptDirectory, applied: set[str], revision: str) -> bool:
    return any(revision in {step.revision for step in scripts.iterate_revisions(head, "base")} for head in applied)


def _sqlalchemy_url(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))
