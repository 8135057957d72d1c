"""Start one server process so that it cannot outlive its starter; wait for it; end it within a bound."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from operations.servers.account import Account
from operations.servers.errors import InstallationUnusable
from shared_kernel.process import die_with_parent

_READY_TIMEOUT_SECONDS = 60.0  # crash recovery of a big database is the slowest way to become ready
_PROBE_INTERVAL_SECONDS = 0.01
_LOG_TAIL_BYTES = 2_000
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: the command, who runs it, where its output goes, how it ends with its parent."""

    arguments: tuple[str, ...]
    account: Account | None
    log: Path
    death_signal: signal.Signals
    standard_input: bytes = b""


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start a server that the kernel ends when the calling thread ends."""
    account = program.account
    with open_log(program.log) as log:
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            program.arguments,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",  # a server must not hold a folder that its account may not enter
            env=_ENVIRONMENT,
            user=None if account is None else account.user_id,
            group=None if account is None else account.group_id,
            extra_groups=None if account is None else [],
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for our servers
            # Runs after the change of user, which would clear it. Callers have no other thread.
            preexec_fn=partial(  # noqa: PLW1509 - see above
                die_with_parent, parent_pid=os.getpid(), death_signal=program.death_signal
            ),
        )
    _feed(process, program.standard_input)
    return process


def run(program: Program, *, timeout_seconds: float) -> None:
    """Run a program to its end.

    Raises:
        InstallationUnusable: it failed, or took longer than `timeout_seconds`.
    """
    process = start(program)
    name = Path(program.arguments[0]).name
    try:
        code = process.wait(timeout_seconds)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.wait()
        message = f"{name} took longer than {timeout_seconds:.0f} s; its output is in {program.log}"
        raise InstallationUnusable(message) from error
    if code != 0:
        raise InstallationUnusable(_failure(name, code, program.log))


def wait_until_ready(process: subprocess.Popen[bytes], *, probe: Callable[[], bool], log: Path) -> None:
    """Wait until `probe` says yes.

    Raises:
        InstallationUnusable: the server ended, or is not ready within 60 s.
    """
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        code = process.poll()
        if code is not None:
            raise InstallationUnusable(_failure(_name(process), code, log))
        if probe():
            return
        time.sleep(_PROBE_INTERVAL_SECONDS)
    message = f"{_name(process)} is not ready after {_READY_TIMEOUT_SECONDS:.0f} s; its output is in {log}"
    raise InstallationUnusable(message)


def stop(process: subprocess.Popen[bytes], *, politely: Sequence[tuple[signal.Signals, float]]) -> None:
    """End a server: each signal in turn, each with its patience in seconds, then SIGKILL."""
    for each, patience_seconds in politely:
        if process.poll() is not None:
            return
        process.send_signal(each)
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def open_log(path: Path) -> BinaryIO:
    """A log to append to, its owner's alone: servers quote what clients sent."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")


def _feed(process: subprocess.Popen[bytes], standard_input: bytes) -> None:
    if process.stdin is None:
        return
    try:
        with process.stdin as pipe:
            pipe.write(standard_input)
    except BrokenPipeError:
        # It ended before reading: whoever waits for it reports how.
        return


def _name(process: subprocess.Popen[bytes]) -> str:
    arguments = process.args
    return Path(str(arguments[0] if isinstance(arguments, tuple | list) else arguments)).name


def _failure(name: str, code: int, log: Path) -> str:
    tail = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    return f"{name} ended with {code}; the end of {log}:\n{tail}"
