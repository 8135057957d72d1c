"""Where a benchmark runs: embedded servers with durable settings, pairs of migrated databases, scratch databases."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from migrations.apply import migrate
from operations.servers.installation import Installation, open_installation
from shared_kernel.database.roles import DatabaseRole, RolePasswords, url_as

ASSERTED = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
STATED = ("server_version", "shared_buffers", "max_wal_size", "wal_sync_method", "max_connections")
_UNLIMITED_PER_MINUTE = 60_000_000
"""One unit a microsecond: the limits are computed for every request and refuse none."""


class SettingDiffers(Exception):
    """The server does not run with what the table claims."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A migrated pair of databases of ShelfWise's, and a Redis database."""

    write_admin_url: str
    read_admin_url: str
    redis_url: str
    secret_key: str
    role_passwords: RolePasswords

    def url_as(self, role: DatabaseRole, *, read: bool) -> str:
        """One of the two databases, logged in as a role."""
        return url_as(role, self.read_admin_url if read else self.write_admin_url, self.role_passwords.of(role))

    def write_api(self) -> dict[str, str]:
        """What the command API reads from its environment."""
        return {
            "SHELFWISE_WRITE_DATABASE_URL": self.url_as(DatabaseRole.WRITE_API, read=False),
            "SHELFWISE_REDIS_URL": self.redis_url,
            "SHELFWISE_SECRET_KEY": self.secret_key,
            **_unlimited(),
        }

    def read_api(self) -> dict[str, str]:
        """What the query API reads from its environment."""
        return {
            "SHELFWISE_READ_DATABASE_URL": self.url_as(DatabaseRole.READ_API, read=True),
            "SHELFWISE_WRITE_DATABASE_URL": self.url_as(DatabaseRole.READ_API, read=False),
            "SHELFWISE_REDIS_URL": self.redis_url,
            "SHELFWISE_SECRET_KEY": self.secret_key,
            **_unlimited(),
        }

    def projector(self) -> dict[str, str]:
        """What the projector reads from its environment."""
        return {
            "SHELFWISE_WRITE_DATABASE_URL": self.url_as(DatabaseRole.PROJECTOR, read=False),
            "SHELFWISE_READ_DATABASE_URL": self.url_as(DatabaseRole.PROJECTOR, read=True),
            "SHELFWISE_REDIS_URL": self.redis_url,
            "SHELFWISE_PROBE_PORT": "0",
        }


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of one run."""

    folder: Path
    installation: Installation
    settings: dict[str, str]

    def place(self, name: str, *, redis_database: int) -> Place:
        """A fresh, migrated pair of databases, `name` in theirs, and a Redis database of its own."""
        urls = [
            asyncio.run(fresh_database(self.installation.write_database_url, f"bench_{name}_{side}"))
            for side in ("write", "read")
        ]
        passwords = self.installation.role_passwords
        asyncio.run(migrate(write_admin_url=urls[0], read_admin_url=urls[1], role_passwords=passwords))
        return Place(
            write_admin_url=urls[0],
            read_admin_url=urls[1],
            redis_url=urlunsplit(urlsplit(self.installation.redis_url)._replace(path=f"/{redis_database}")),
            secret_key=self.installation.secret_key,
            role_passwords=passwords,
        )

    def scratch(self, name: str) -> str:
        """An empty database for a peer or a floor; its administrator's URL."""
        return asyncio.run(fresh_database(self.installation.write_database_url, f"bench_{name}"))


@contextmanager
def open_site() -> Iterator[Site]:
    """Start PostgreSQL and Valkey from the wheels, in a folder that goes with the block.

    Raises:
        SettingDiffers: the server is not as durable as the table says.
    """
    folder = Path(tempfile.mkdtemp(prefix="shelfwise-bench-"))
    folder.chmod(0o711)  # the servers' account passes through
    try:
        with open_installation(folder / "installation", environment={}) as installation:
            settings = asyncio.run(_settings(installation.write_database_url))
            yield Site(folder=folder, installation=installation, settings=settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def fresh_database(server_url: str, name: str) -> str:
    """Create an empty database, and give its URL."""
    connection = await asyncpg.connect(server_url)
    try:
        quoted = await connection.fetchval("SELECT quote_ident($1)", name)
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {quoted} TEMPLATE template0")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


async def _settings(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        found = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in (*ASSERTED, *STATED)}
    finally:
        await connection.close()
    wrong = {name: found[name] for name, value in ASSERTED.items() if found[name] != value}
    if wrong:
        raise SettingDiffers(f"the benchmark claims {ASSERTED}, the server has {wrong}")
    return found


def _unlimited() -> dict[str, str]:
    names = ("TENANT", "KEY", "ADDRESS")
    return {f"SHELFWISE_{name}_PER_MINUTE": f"{_UNLIMITED_PER_MINUTE}" for name in names}
