"""One installation: a data folder, its secrets, and servers that run while anybody uses them.

Several commands may open the same folder at once. The first to come starts a keeper, which owns the
servers; the last to leave lets it end. With the three SHELFWISE_*_URL variables set nothing is started.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from operations.servers.account import Account, can_traverse, server_account
from operations.servers.binaries import postgres_programs, valkey_program
from operations.servers.environment import Secrets, complete_secrets, external_urls, overriding_secrets
from operations.servers.errors import InstallationUnusable
from operations.servers.hiring import hire_keeper
from operations.servers.keeper import KEEPER_LOCK, USERS_LOCK, Plan
from operations.servers.locks import is_held, lock, locked, open_lock, try_lock
from operations.servers.postgres import DEFAULT_SETTINGS, administrator_url
from operations.servers.record import Record, read_or_make_record, write_record
from operations.servers.valkey import valkey_url
from shared_kernel.database.roles import RolePasswords

DATA_DIR_VARIABLE = "SHELFWISE_DATA_DIR"
DEFAULT_DATA_DIR = Path(".shelfwise")

_START_LOCK = "start.lock"
_UNREACHABLE_HOME = Path("/var/lib/shelfwise")
_JOIN_TIMEOUT_SECONDS = 60.0  # a keeper that is ending needs at most 25 s for its servers
_START_TIMEOUT_SECONDS = 200.0  # longer than hire_keeper's own bound, which has the better message
_END_TIMEOUT_SECONDS = 40.0


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is. The URLs are the administrator's: only migrating and `doctor` want them."""

    data_dir: Path
    write_database_url: str
    read_database_url: str
    redis_url: str
    secret_key: str
    role_passwords: RolePasswords
    is_embedded: bool = False
    """Whether a keeper of ours owns the servers."""

    @property
    def has_lost_its_servers(self) -> bool:
        """Whether the keeper has ended, which it does with its servers; what comes next starts another."""
        return self.is_embedded and not is_held(self.data_dir / KEEPER_LOCK)


@contextmanager
def open_installation(
    data_dir: Path,
    *,
    environment: Mapping[str, str] | None = None,
    settings: Mapping[str, str] = DEFAULT_SETTINGS,
) -> Iterator[Installation]:
    """Use the servers of `data_dir` for the length of a block, starting them if nobody has.

    Args:
        data_dir: the installation's folder; made if missing.
        environment: SHELFWISE_* variables; the process's own if not given.
        settings: PostgreSQL's, for a server that this call starts (tests turn fsync off).

    Raises:
        InstallationUnusable: the servers cannot be had; the message says what to do.
    """
    variables = os.environ if environment is None else environment
    folder = data_dir.absolute()
    urls = external_urls(variables)
    if urls is not None:
        chosen = complete_secrets(variables) or _recorded_secrets(folder, variables)
        yield Installation(
            data_dir=folder,
            write_database_url=urls.write_database,
            read_database_url=urls.read_database,
            redis_url=urls.redis,
            secret_key=chosen.secret_key,
            role_passwords=chosen.role_passwords,
        )
        return
    _make_folder(folder)
    users = open_lock(folder / USERS_LOCK)
    try:
        lock(users, fcntl.LOCK_SH, what=folder / USERS_LOCK, timeout_seconds=_JOIN_TIMEOUT_SECONDS)
        record = _with_running_servers(folder, variables, settings)
        yield _embedded(folder, record, variables)
    finally:
        os.close(users)
        _wait_for_the_end(folder)


def _with_running_servers(folder: Path, environment: Mapping[str, str], settings: Mapping[str, str]) -> Record:
    with locked(folder / _START_LOCK, fcntl.LOCK_EX, timeout_seconds=_START_TIMEOUT_SECONDS):
        record = read_or_make_record(folder)
        if is_held(folder / KEEPER_LOCK):
            return record
        account = server_account()
        record = _settled(folder, record, account)
        report = hire_keeper(_plan(folder, record, account=account, environment=environment, settings=settings))
        record = msgspec.structs.replace(record, postgres_port=report.postgres_port, valkey_port=report.valkey_port)
        write_record(folder, record)
        return record


def _settled(folder: Path, record: Record, account: Account | None) -> Record:
    """The record with the place where the servers' account can keep files: decided once, then kept."""
    if record.postgres_port is not None:
        return record
    if can_traverse(folder, account):
        return record
    # Root's folder below a closed one such as /root: the servers, who are not root, need a place elsewhere.
    _UNREACHABLE_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    # The same after a crash, and telling nothing: process lists show it.
    place = _UNREACHABLE_HOME / hashlib.sha256(record.postgres_password.encode()).hexdigest()[:16]
    place.mkdir(mode=0o711, exist_ok=True)
    return msgspec.structs.replace(record, servers_folder=f"{place}")


def _plan(
    folder: Path,
    record: Record,
    *,
    account: Account | None,
    environment: Mapping[str, str],
    settings: Mapping[str, str],
) -> Plan:
    servers = folder / "servers" if record.servers_folder is None else Path(record.servers_folder)
    servers.mkdir(mode=0o711, exist_ok=True)
    copies = servers / "programs"
    return Plan(
        data_dir=f"{folder}",
        servers_folder=f"{servers}",
        postgres_programs=f"{postgres_programs(environment=environment, account=account, copies=copies)}",
        valkey_program=f"{valkey_program(account=account, copies=copies)}",
        account=account,
        settings=settings,
        postgres_password=record.postgres_password,
        valkey_password=record.valkey_password,
        postgres_port=record.postgres_port,
        valkey_port=record.valkey_port,
    )


def _embedded(folder: Path, record: Record, environment: Mapping[str, str]) -> Installation:
    if record.postgres_port is None or record.valkey_port is None:
        message = f"a keeper runs but {folder} does not say where: end it and run the command again"
        raise InstallationUnusable(message)
    chosen = overriding_secrets(environment, record)
    port, password = record.postgres_port, record.postgres_password
    return Installation(
        data_dir=folder,
        write_database_url=administrator_url(port=port, password=password, database="shelfwise_write"),
        read_database_url=administrator_url(port=port, password=password, database="shelfwise_read"),
        redis_url=valkey_url(port=record.valkey_port, password=record.valkey_password),
        is_embedded=True,
        secret_key=chosen.secret_key,
        role_passwords=chosen.role_passwords,
    )


def _recorded_secrets(folder: Path, environment: Mapping[str, str]) -> Secrets:
    _make_folder(folder)
    with locked(folder / _START_LOCK, fcntl.LOCK_EX, timeout_seconds=_START_TIMEOUT_SECONDS):
        return overriding_secrets(environment, read_or_make_record(folder))


def _make_folder(folder: Path) -> None:
    try:
        # Passable, for the servers' account; what is secret inside is closed by itself.
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        os.close(open_lock(folder / USERS_LOCK))
    except OSError as error:
        message = f"the data folder {folder} cannot be used ({error.strerror}): choose another with --data"
        raise InstallationUnusable(message) from error


def _wait_for_the_end(folder: Path) -> None:
    """If we were the last, return only when the servers are gone, so that nothing is left behind."""
    deadline = time.monotonic() + _END_TIMEOUT_SECONDS
    while is_held(folder / KEEPER_LOCK) and not _is_used(folder) and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_used(folder: Path) -> bool:
    descriptor = open_lock(folder / USERS_LOCK)
    try:
        # Nobody holds it, or the keeper does, exclusively, while it ends the servers: not used.
        return not try_lock(descriptor, fcntl.LOCK_EX) and try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
