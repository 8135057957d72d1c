"""One embedded Valkey: started on 127.0.0.1, keeping nothing on disk, and ended."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import msgspec

from operations.servers.account import Account, give_to
from operations.servers.errors import InstallationUnusable
from operations.servers.ports import choose_port
from operations.servers.process import Program, start, stop, wait_until_ready

_START_ATTEMPTS = 5  # each fails only if somebody takes the port within a few milliseconds
_ENDING = ((signal.SIGTERM, 5.0),)
_PROBE_TIMEOUT_SECONDS = 2.0


class Valkey(msgspec.Struct, frozen=True, kw_only=True):
    """Where one Valkey lives and how it is to run."""

    program: Path
    folder: Path
    log: Path
    account: Account | None
    password: str


class RunningValkey(msgspec.Struct, frozen=True, kw_only=True):
    """A Valkey that answers, and the process that is it."""

    process: subprocess.Popen[bytes]
    port: int


def start_valkey(valkey: Valkey, *, preferred_port: int | None = None) -> RunningValkey:
    """Start it from this thread, which it does not outlive.

    Raises:
        InstallationUnusable: it does not start; the message has the server's own words.
    """
    give_to(valkey.account, valkey.folder)
    failure = ""
    for _attempt in range(_START_ATTEMPTS):
        port = choose_port(preferred_port)
        try:
            return RunningValkey(process=_start_on(valkey, port), port=port)
        except InstallationUnusable as error:
            failure = str(error)
            if "bind" not in failure:
                raise
    raise InstallationUnusable(failure)


def stop_valkey(running: RunningValkey) -> None:
    """End it, within 5 s or at once."""
    stop(running.process, politely=_ENDING)


def valkey_url(*, port: int, password: str) -> str:
    """The URL clients connect to."""
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _start_on(valkey: Valkey, port: int) -> subprocess.Popen[bytes]:
    # Everything in it can be rebuilt from PostgreSQL, so nothing is saved.
    configuration = "\n".join(
        (
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {valkey.password}",
            'save ""',
            "appendonly no",
            f"dir {_quoted(valkey.folder)}",
            "daemonize no",
            "",
        )
    )
    valkey.log.unlink(missing_ok=True)
    process = start(
        Program(
            arguments=(f"{valkey.program}", "-"),
            account=valkey.account,
            log=valkey.log,
            death_signal=signal.SIGKILL,
            standard_input=os.fsencode(configuration),
        )
    )
    try:
        wait_until_ready(process, probe=lambda: _answers(port, valkey.password), log=valkey.log)
    except BaseException:
        stop(process, politely=_ENDING)
        raise
    return process


def _quoted(path: Path) -> str:
    """A path as its configuration wants it: any character may stand in a folder's name."""
    text = f"{path}".replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_TIMEOUT_SECONDS) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as replies:
                return [replies.readline(), replies.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False
