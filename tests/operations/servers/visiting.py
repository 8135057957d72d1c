"""Start and watch visitors: other processes that use an installation."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from operations.servers.installation import Installation
from operations.servers.keeper import KEEPER_LOCK
from operations.servers.locks import is_held

_CHECKOUT = Path(__file__).resolve().parents[3]
_VISITOR = Path(__file__).with_name("visitor.py")
_BOUND_SECONDS = 30.0


class Visitor:
    """A process that holds an installation open."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def installation(self) -> Installation:
        """What it opened; waits until it has."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return msgspec.json.decode(line, type=Installation, dec_hook=_path)

    def leave(self) -> None:
        """End it in good order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(_BOUND_SECONDS) == 0


@contextmanager
def visitor(folder: Path, *, python: str = sys.executable, user: int | None = None) -> Iterator[Visitor]:
    """Start a visitor of `folder`, as another user if one is given; it is gone after the block."""
    process = subprocess.Popen(
        [python, _VISITOR, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": _python_path()},
        user=user,
        extra_groups=None if user is None else [],
    )
    try:
        yield Visitor(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def eventually(claim: Callable[[], bool]) -> bool:
    """Whether the claim becomes true within 30 s."""
    deadline = time.monotonic() + _BOUND_SECONDS
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def answers(url: str) -> bool:
    """Whether somebody listens at the URL's port."""
    port = urlsplit(url).port
    assert port is not None
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def stays_up(url: str, *, seconds: float) -> bool:
    """Whether somebody listens all the while; half a second is ten looks of the keeper."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not answers(url):
            return False
        time.sleep(0.02)
    return True


def is_deserted(installation: Installation) -> bool:
    """Whether nothing of the installation runs any more: no keeper, no server, no process naming its folder."""
    return not (
        is_held(installation.data_dir / KEEPER_LOCK)
        or answers(installation.write_database_url)
        or answers(installation.redis_url)
        or processes_naming(installation.data_dir)
    )


def processes_naming(folder: Path) -> list[int]:
    """The processes, visitors aside, whose command line names something in `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in arguments:
            found.append(int(entry.name))
    return found


def keeper_of(installation: Installation) -> int:
    """The keeper's process id: the parent of the installation's PostgreSQL."""
    postmaster = int((installation.data_dir / "servers/postgres/postmaster.pid").read_text().splitlines()[0])
    status = Path(f"/proc/{postmaster}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


def _python_path() -> str:
    packages = Path(msgspec.__file__).resolve().parents[1]
    return f"{_CHECKOUT}:{packages}"


def _path(kind: Callable[[object], object], value: object) -> object:
    return kind(value)
