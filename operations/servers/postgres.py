"""One embedded PostgreSQL: made by initdb, started on 127.0.0.1, with its databases, and ended."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import msgspec

from operations.servers.account import Account, give_to
from operations.servers.errors import InstallationUnusable
from operations.servers.ports import choose_port
from operations.servers.process import Program, run, start, stop, wait_until_ready

ADMINISTRATOR = "postgres"

# Two APIs, a projector, the command line and the tests' many databases share one server.
DEFAULT_SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
}

# Not for the caller to choose: nobody but this machine reaches the server, and it speaks UTC.
_FIXED_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}

_SETTINGS_FILE = "shelfwise.conf"
_LOCALES = ("C.UTF-8", "C")  # the wheel has no ICU; a bare machine may not have C.UTF-8 either
_INITDB_TIMEOUT_SECONDS = 120.0
_ORPHAN_TIMEOUT_SECONDS = 10.0
_START_ATTEMPTS = 5  # each fails only if somebody takes the port within a few milliseconds
# Fast shutdown with a checkpoint; then immediate, which recovers from the log at the next start.
_ENDING = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))


class Postgres(msgspec.Struct, frozen=True, kw_only=True):
    """Where one PostgreSQL lives and how it is to run."""

    programs: Path
    cluster: Path
    log: Path
    account: Account | None
    password: str
    settings: Mapping[str, str]


class RunningPostgres(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL that answers, and the process that is it."""

    process: subprocess.Popen[bytes]
    port: int


def start_postgres(postgres: Postgres, *, preferred_port: int | None = None) -> RunningPostgres:
    """Make the cluster if there is none, then start it from this thread, which it does not outlive.

    Raises:
        InstallationUnusable: it cannot be made or started; the message has the server's own words.
    """
    if not (postgres.cluster / "PG_VERSION").is_file():
        _initialise(postgres)
    _check_version(postgres)
    _end_orphan(postgres.cluster)
    failure = ""
    for _attempt in range(_START_ATTEMPTS):
        port = choose_port(preferred_port)
        try:
            return RunningPostgres(process=_start_on(postgres, port), port=port)
        except InstallationUnusable as error:
            failure = str(error)
            if "could not bind" not in failure:
                raise
    raise InstallationUnusable(failure)


def stop_postgres(running: RunningPostgres) -> None:
    """End it: within 20 s with everything written, or at once."""
    stop(running.process, politely=_ENDING)


def administrator_url(*, port: int, password: str, database: str) -> str:
    """The superuser's URL for one database of the embedded server."""
    return f"postgresql://{ADMINISTRATOR}:{password}@127.0.0.1:{port}/{database}"


async def create_missing_databases(server_url: str, names: tuple[str, ...]) -> None:
    """Create those of the named databases that the server does not have."""
    connection = await asyncpg.connect(server_url, timeout=10, command_timeout=60)
    try:
        for name in names:
            exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
            if exists is None:
                quoted = await connection.fetchval("SELECT quote_ident($1)", name)
                await connection.execute(f"CREATE DATABASE {quoted}")
    finally:
        await connection.close()


def _initialise(postgres: Postgres) -> None:
    give_to(postgres.account, postgres.cluster)
    failure = ""
    for locale in _LOCALES:
        _empty(postgres.cluster)
        try:
            _initdb(postgres, locale)
        except InstallationUnusable as error:
            failure = str(error)
        else:
            return
    raise InstallationUnusable(failure)


def _initdb(postgres: Postgres, locale: str) -> None:
    # The password goes through a file that only the server's account can read, never the command line.
    password_file = postgres.cluster.parent / f"password-{secrets.token_hex(8)}"
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(postgres.password)
    if postgres.account is not None:
        os.chown(password_file, postgres.account.user_id, postgres.account.group_id)
    arguments = [
        f"{postgres.programs / 'initdb'}",
        f"--pgdata={postgres.cluster}",
        f"--username={ADMINISTRATOR}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        f"--locale={locale}",
    ]
    if postgres.settings.get("fsync") == "off":
        arguments.append("--no-sync")
    try:
        run(_program(postgres, tuple(arguments), signal.SIGKILL), timeout_seconds=_INITDB_TIMEOUT_SECONDS)
    finally:
        password_file.unlink()
    with (postgres.cluster / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write(f"\ninclude = '{_SETTINGS_FILE}'\n")


def _check_version(postgres: Postgres) -> None:
    made_by = (postgres.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    printed = subprocess.run(  # noqa: S603 - our own program, no shell
        [postgres.programs / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    runs = printed.split()[2].split(".")[0]
    if runs != made_by:
        message = (
            f"{postgres.cluster} was made by PostgreSQL {made_by} and the server at hand is {runs}: "
            "use the same one, or another data folder (--data)"
        )
        raise InstallationUnusable(message)


def _start_on(postgres: Postgres, port: int) -> subprocess.Popen[bytes]:
    _write_settings(postgres, port)
    postgres.log.unlink(missing_ok=True)
    process = start(
        _program(postgres, (f"{postgres.programs / 'postgres'}", "-D", f"{postgres.cluster}"), signal.SIGQUIT)
    )
    url = administrator_url(port=port, password=postgres.password, database="postgres")
    try:
        wait_until_ready(process, probe=lambda: asyncio.run(_answers(url)), log=postgres.log)
    except BaseException:
        stop(process, politely=_ENDING)
        raise
    return process


def _write_settings(postgres: Postgres, port: int) -> None:
    # A file and not the command line, which would override ALTER SYSTEM.
    settings = {**postgres.settings, **_FIXED_SETTINGS, "port": f"{port}"}
    lines = []
    for name, value in settings.items():
        quoted = value.replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    path = postgres.cluster / _SETTINGS_FILE
    path.write_text("".join(lines), encoding="utf-8")
    path.chmod(0o600)
    if postgres.account is not None:
        os.chown(path, postgres.account.user_id, postgres.account.group_id)


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


def _end_orphan(cluster: Path) -> None:
    """Wait out a server whose starter was killed, then forget its pid file, which may name a stranger by now."""
    pid_file = cluster / "postmaster.pid"
    try:
        process_id = int(pid_file.read_text(encoding="ascii").splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        process_id = 0
    deadline = time.monotonic() + _ORPHAN_TIMEOUT_SECONDS
    while _serves(process_id, cluster):
        if time.monotonic() > deadline:
            os.kill(process_id, signal.SIGKILL)
            break
        time.sleep(0.02)
    pid_file.unlink(missing_ok=True)


def _serves(process_id: int, cluster: Path) -> bool:
    if process_id <= 0:
        return False
    try:
        arguments = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return os.fsencode(cluster) in arguments


def _program(postgres: Postgres, arguments: tuple[str, ...], death_signal: signal.Signals) -> Program:
    return Program(arguments=arguments, account=postgres.account, log=postgres.log, death_signal=death_signal)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
