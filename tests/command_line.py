"""The `shelfwise` command as people run it: a process of its own, its answer on stdout, its exit code."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from tests.servers import Servers

_TIMEOUT_SECONDS = 3_600.0  # verifying a million rows on a busy machine
_UP_TIMEOUT_SECONDS = 120.0
_END_TIMEOUT_SECONDS = 30.0
_PROJECT_ROOT = Path(__file__).resolve().parents[1]


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> Any:  # noqa: ANN401 - whatever JSON the command answered with
        """The one JSON object on stdout."""
        (line,) = self.stdout.splitlines()
        return msgspec.json.decode(line)


class Up(msgspec.Struct, frozen=True, kw_only=True):
    """A running `shelfwise up`."""

    process: subprocess.Popen[str]
    url: str
    answer: Mapping[str, Any]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(_END_TIMEOUT_SECONDS)


class CommandLine:
    """Runs commands in one installation."""

    def __init__(self, data_dir: Path, variables: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SHELFWISE_")},
            **{name: value for name, value in os.environ.items() if name == "SHELFWISE_POSTGRES_BIN"},
            **variables,
            "SHELFWISE_DATA_DIR": f"{data_dir}",
        }

    def run(self, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> Finished:
        """Run one command to its end."""
        done = subprocess.run(
            _program(*arguments),
            env={**self._environment, **(variables or {})},
            cwd=_PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return Finished(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def answer(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - whatever JSON the command answers with
        """What a command answers that must succeed."""
        done = self.run(*arguments, "--json")
        assert done.code == 0, f"{arguments} ended with {done.code}: {done.stdout}{done.stderr}"
        return done.answer

    @contextmanager
    def up(self, *arguments: str) -> Iterator[Up]:
        """Have `up` running and ready for the block, on a port of the system's choice."""
        process = subprocess.Popen(
            _program("up", "--port", "0", "--json", *arguments),
            env=self._environment,
            cwd=_PROJECT_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"up ended with {process.wait(_UP_TIMEOUT_SECONDS)}"
            answer = msgspec.json.decode(line, type=dict[str, Any])
            yield Up(process=process, url=answer["url"], answer=answer)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(_END_TIMEOUT_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.communicate()


def inside(group: click.Group, name: str) -> click.Command:
    """A group's command by its name."""
    found = group.get_command(click.Context(group), name)
    assert found is not None, name
    return found


def on_servers(servers: Servers, data_dir: Path) -> CommandLine:
    """The command on a test's own databases and Redis, as the three URLs name them."""
    passwords = servers.role_passwords
    variables = {
        "SHELFWISE_WRITE_DATABASE_URL": servers.write_admin_url,
        "SHELFWISE_READ_DATABASE_URL": servers.read_admin_url,
        "SHELFWISE_REDIS_URL": servers.redis_url,
        "SHELFWISE_SECRET_KEY": servers.secret_key,
        **{f"SHELFWISE_PASSWORD_{role.upper()}": getattr(passwords, role) for role in passwords.__struct_fields__},
    }
    return CommandLine(data_dir, variables)


def children_of(pid: int) -> list[int]:
    """The process's children, by the kernel's own account."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until_gone(pids: list[int], *, within_seconds: float = 60.0) -> None:
    """Return when none of the processes runs any more.

    Raises:
        AssertionError: one still does.
    """
    deadline = time.monotonic() + within_seconds
    while alive := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, f"still there after {within_seconds} s: {alive}"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _program(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from operations.command_line import main; main()", *map(str, arguments)]
