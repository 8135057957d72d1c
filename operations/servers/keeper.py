"""The process that owns an installation's servers for as long as any command uses them.

Commands hold a shared lock on one file; the kernel releases it however they end. When the keeper can
take that lock exclusively, the last user has left: it ends the servers and itself. The servers in turn
end with the keeper, so that kill -9 of anybody leaves nothing running.
"""

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from operations.servers.account import Account
from operations.servers.errors import InstallationUnusable
from operations.servers.locks import open_lock, try_lock
from operations.servers.postgres import (
    Postgres,
    RunningPostgres,
    administrator_url,
    create_missing_databases,
    start_postgres,
    stop_postgres,
)
from operations.servers.valkey import RunningValkey, Valkey, start_valkey, stop_valkey

USERS_LOCK = "users.lock"
KEEPER_LOCK = "keeper.lock"
DATABASES = ("shelfwise_write", "shelfwise_read")

_WATCH_SECONDS = 0.05


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a command asks a new keeper to run; it travels through standard input, where nobody reads passwords."""

    data_dir: str
    servers_folder: str
    postgres_programs: str
    valkey_program: str
    account: Account | None
    settings: Mapping[str, str]
    postgres_password: str
    valkey_password: str
    postgres_port: int | None
    valkey_port: int | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The keeper's one line on standard output: where the servers answer, or why they do not."""

    postgres_port: int = 0
    valkey_port: int = 0
    failure: str = ""


def main() -> None:
    """Read the plan, leave the parent behind, start the servers, report, keep."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    if os.fork() != 0:
        # Nobody's child: a command that is not the last to leave does not have to wait for us.
        os._exit(0)
    signal.signal(signal.SIGTERM, _leave)
    try:
        keep(plan)
    except InstallationUnusable as error:
        _report(Report(failure=str(error)))
        sys.exit(1)


def keep(plan: Plan) -> None:
    """Run the plan's servers until nobody uses them or one of them ends.

    Raises:
        InstallationUnusable: a server does not start.
    """
    data_dir = Path(plan.data_dir)
    alive = open_lock(data_dir / KEEPER_LOCK)
    if not try_lock(alive, fcntl.LOCK_EX):
        message = f"another keeper holds {data_dir / KEEPER_LOCK}: run the command again"
        raise InstallationUnusable(message)
    valkey = start_valkey(_valkey(plan), preferred_port=plan.valkey_port)
    try:
        postgres = start_postgres(_postgres(plan), preferred_port=plan.postgres_port)
        try:
            url = administrator_url(port=postgres.port, password=plan.postgres_password, database="postgres")
            asyncio.run(create_missing_databases(url, DATABASES))
            _report(Report(postgres_port=postgres.port, valkey_port=valkey.port))
            _watch(data_dir / USERS_LOCK, postgres, valkey)
        finally:
            stop_postgres(postgres)
    finally:
        stop_valkey(valkey)


def _watch(users_lock: Path, postgres: RunningPostgres, valkey: RunningValkey) -> None:
    users = open_lock(users_lock)
    # Bounded by the lives of others: ends when the last user or a server has ended.
    while postgres.process.poll() is None and valkey.process.poll() is None:
        if try_lock(users, fcntl.LOCK_EX):
            # Held until this process is gone: who comes now waits, and then starts a keeper of his own.
            return
        time.sleep(_WATCH_SECONDS)


def _postgres(plan: Plan) -> Postgres:
    return Postgres(
        programs=Path(plan.postgres_programs),
        cluster=Path(plan.servers_folder) / "postgres",
        log=Path(plan.data_dir) / "postgres.log",
        account=plan.account,
        password=plan.postgres_password,
        settings=plan.settings,
    )


def _valkey(plan: Plan) -> Valkey:
    return Valkey(
        program=Path(plan.valkey_program),
        folder=Path(plan.servers_folder) / "valkey",
        log=Path(plan.data_dir) / "valkey.log",
        account=plan.account,
        password=plan.valkey_password,
    )


def _report(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report))
    sys.stdout.flush()
    # The reader waits for the end of the pipe, which must come although we go on.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
