"""The real PostgreSQL and Redis behind the tests, shared by all workers of one run, and their databases.

One PostgreSQL serves the whole run: the first worker that needs it starts it, the last to leave ends it,
by the very code that serves several commands in one data folder. Each worker has a Valkey of its own.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from migrations.apply import migrate
from operations.servers.account import server_account
from operations.servers.binaries import valkey_program
from operations.servers.environment import REDIS_VARIABLE, external_urls
from operations.servers.installation import Installation, open_installation
from operations.servers.locks import locked
from operations.servers.postgres import DEFAULT_SETTINGS
from operations.servers.valkey import RunningValkey, Valkey, start_valkey, stop_valkey, valkey_url
from shared_kernel.database.roles import DatabaseRole, RolePasswords, url_as

RUN_FOLDER_VARIABLE = "SHELFWISE_TEST_RUN_FOLDER"

# Nothing a test writes must survive a power cut; everything else is as in `shelfwise up`.
TEST_SETTINGS: Mapping[str, str] = {
    **DEFAULT_SETTINGS,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "1h",
}

_REDIS_DATABASES = 16  # what Redis and Valkey offer unless configured otherwise


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh, migrated pair of databases and an empty Redis, for one test."""

    write_admin_url: str
    read_admin_url: str
    redis_url: str
    secret_key: str
    role_passwords: RolePasswords

    def url_as(self, role: DatabaseRole, *, read: bool | None = None) -> str:
        """The database of a role, logged in as it: read API and projector go to the read one unless told."""
        to_read = role in {DatabaseRole.READ_API, DatabaseRole.PROJECTOR} if read is None else read
        server = self.read_admin_url if to_read else self.write_admin_url
        return url_as(role, server, self.role_passwords.of(role))


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's hold on the servers of the whole run."""

    folder: Path
    name: str
    installation: Installation
    redis_url: str


def make_run_folder() -> Path:
    """The run's folder, which its workers find through the environment. For the controller only."""
    folder = Path(tempfile.mkdtemp(prefix="shelfwise-tests-"))
    folder.chmod(0o711)  # the servers' account passes through
    os.environ[RUN_FOLDER_VARIABLE] = f"{folder}"
    return folder


def remove_run(folder: Path) -> None:
    """Forget a run when its last worker has left, including what it made on servers that are not ours."""
    urls = external_urls(os.environ)
    if urls is not None:
        for url in {urls.write_database, urls.read_database}:
            asyncio.run(_drop_all(url, _run_name(folder)))
    os.environ.pop(RUN_FOLDER_VARIABLE, None)
    shutil.rmtree(folder)


@contextmanager
def open_run(*, worker: str) -> Iterator[Run]:
    """Join the run: its PostgreSQL, started if nobody has, and this worker's Redis."""
    folder = Path(os.environ[RUN_FOLDER_VARIABLE])
    with (
        open_installation(folder / "installation", settings=TEST_SETTINGS) as installation,
        _redis(folder, worker) as redis_url,
    ):
        yield Run(folder=folder, name=_run_name(folder), installation=installation, redis_url=redis_url)


async def migrate_template(write_admin_url: str, read_admin_url: str, role_passwords: RolePasswords) -> None:
    """Bring the pair of databases that every test's pair is copied from to this release's schema."""
    await migrate(write_admin_url=write_admin_url, read_admin_url=read_admin_url, role_passwords=role_passwords)


@asynccontextmanager
async def fresh_databases(run: Run) -> AsyncIterator[Servers]:
    """A migrated pair of databases of the test's own, dropped afterwards."""
    write_template, read_template = await _templates(run)
    write_url, read_url = run.installation.write_database_url, run.installation.read_database_url
    mark = secrets.token_hex(6)
    write_name, read_name = f"{run.name}_{mark}_write", f"{run.name}_{mark}_read"
    await _create(write_url, write_name, write_template)
    try:
        await _create(read_url, read_name, read_template)
        try:
            yield Servers(
                write_admin_url=_on_database(write_url, write_name),
                read_admin_url=_on_database(read_url, read_name),
                redis_url=run.redis_url,
                secret_key=run.installation.secret_key,
                role_passwords=run.installation.role_passwords,
            )
        finally:
            await _drop(read_url, read_name)
    finally:
        await _drop(write_url, write_name)


@contextmanager
def own_valkey(folder: Path, *, preferred_port: int | None = None) -> Iterator[tuple[RunningValkey, str]]:
    """A Valkey that a test may stop, kill or flush, and its URL. `folder` is one of `reachable_folder`'s."""
    valkey = Valkey(
        program=valkey_program(account=server_account(), copies=folder / "programs"),
        folder=folder / "valkey",
        log=folder / "valkey.log",
        account=server_account(),
        password="valkey-of-a-test",  # noqa: S106 - lives for one test
    )
    running = start_valkey(valkey, preferred_port=preferred_port)
    try:
        yield running, valkey_url(port=running.port, password=valkey.password)
    finally:
        stop_valkey(running)


@contextmanager
def _redis(folder: Path, worker: str) -> Iterator[str]:
    external = os.environ.get(REDIS_VARIABLE)
    if external:
        number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 0
        if number >= _REDIS_DATABASES:
            message = f"at most {_REDIS_DATABASES} workers can share one Redis: run fewer (-n {_REDIS_DATABASES})"
            raise ValueError(message)
        yield urlunsplit(urlsplit(external)._replace(path=f"/{number}"))
        return
    place = folder / worker
    place.mkdir(mode=0o711, exist_ok=True)
    with own_valkey(place) as (_, url):
        yield url


async def _templates(run: Run) -> tuple[str, str]:
    """The names of the migrated pair; made once per run, by the worker that comes first."""
    names = f"{run.name}_template_write", f"{run.name}_template_read"
    done = run.folder / "migrated"
    if done.exists():
        return names
    # Synchronous waiting is fine: this worker has nothing else to do without its databases.
    with locked(run.folder / "migrate.lock", fcntl.LOCK_EX, timeout_seconds=300):
        if done.exists():
            return names
        urls = run.installation.write_database_url, run.installation.read_database_url
        for url, name in zip(urls, names, strict=True):
            await _drop(url, name)
            await _create(url, name, "template0")
        await migrate_template(
            _on_database(urls[0], names[0]), _on_database(urls[1], names[1]), run.installation.role_passwords
        )
        done.touch()
    return names


async def _create(server_url: str, name: str, template: str) -> None:
    # Copying files beats copying through the WAL (the default) for databases this small: 54 ms.
    await _administer(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')


async def _drop(server_url: str, name: str) -> None:
    await _administer(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _drop_all(server_url: str, prefix: str) -> None:
    connection = await asyncpg.connect(server_url, timeout=10, command_timeout=60)
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
        for row in rows:
            await connection.execute(f'DROP DATABASE "{row["datname"]}" WITH (FORCE)')
    finally:
        await connection.close()


async def _administer(server_url: str, statement: str) -> None:
    connection = await asyncpg.connect(server_url, timeout=10, command_timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _on_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _run_name(folder: Path) -> str:
    # mkdtemp's random part: lower case letters, digits and underscore.
    return f"shelfwise_test_{folder.name.removeprefix('shelfwise-tests-')}"
