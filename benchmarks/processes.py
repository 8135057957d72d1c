"""Processes of a benchmark: started on their core, asked until they answer, and ended with the run."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.pinned import ANY_CORE
from operations.servers.ports import choose_port

CHECKOUT = Path(__file__).resolve().parents[1]
_READY_SECONDS = 40.0
_END_SECONDS = 10.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process of this run, and where what it says is kept."""

    pid: int
    port: int
    log: Path


class ProcessEnded(Exception):
    """A process of the benchmark died, or never answered; the message has the end of its log."""


def pinned(program: list[str], core: int | None) -> list[str]:
    """The command line that runs a program on a core and ends it with us."""
    where = ANY_CORE if core is None else f"{core}"
    return [sys.executable, "-m", "benchmarks.pinned", f"{os.getpid()}", where, *program]


@contextmanager
def running(program: list[str], *, core: int | None, variables: Mapping[str, str], log: Path) -> Iterator[int]:
    """Have a program run for the length of a block; yields its process id."""
    own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own programs, no shell
            pinned(program, core),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            env={**own, "PYTHONPATH": f"{CHECKOUT}", **variables},
        )
    try:
        yield process.pid
        if process.poll() is not None:
            raise ProcessEnded(f"{program} ended with {process.returncode}: {tail(log)}")
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(app: str, *, core: int | None, variables: Mapping[str, str], folder: Path) -> Iterator[Process]:
    """Serve an ASGI application by one granian worker, as `compose.yaml` does, for the length of a block.

    Args:
        app: `module:attribute`.
        core: that server and worker are pinned to.
        variables: the environment that the application reads.
        folder: where its log goes.
    """
    port = choose_port(None)
    log = folder / f"{app.replace(':', '.')}-{port}.log"
    options = ["--interface", "asgi", "--host", "127.0.0.1", "--port", f"{port}", "--loop", "uvloop", "--no-ws"]
    program = [sys.executable, "-m", "granian", *options, "--backlog", "1024", "--log-level", "warning", app]
    with running(program, core=core, variables=variables, log=log) as pid:
        wait_for_port(port, log)
        yield Process(pid=pid, port=port, log=log)


def wait_for_port(port: int, log: Path) -> None:
    """Return when somebody listens.

    Raises:
        ProcessEnded: nobody does within 40 s.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise ProcessEnded(f"nothing listens on {port}: {tail(log)}")


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_bytes()[-3_000:].decode(errors="replace")
