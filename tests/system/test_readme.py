"""The README's own code blocks, run as a newcomer would: top to bottom, in the order they stand."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_RUN, _TEST = "make run\n", "make test\n"
_READY_SECONDS = 120.0
_BLOCK_SECONDS = 60.0
_END_SECONDS = 30.0


def blocks() -> list[str]:
    """Every shell block of the README."""
    return _BLOCK.findall((ROOT / "README.md").read_text())


@contextmanager
def everything_running(environment: dict[str, str], log: Path) -> Iterator[None]:
    """`make run` until it says it is ready; ended by Ctrl-C, which must end all of it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {_RUN}"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while "Try:" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=_END_SECONDS)


def test_the_blocks_do_what_they_say(tmp_path: Path) -> None:
    """The two commands are the first blocks; every other block succeeds and answers while `make run` runs."""
    found = blocks()
    assert found[:2] == [_RUN, found[1]]
    assert _TEST in found
    port = str(_free_port())
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "SHELFWISE_POSTGRES_BIN") if name in os.environ},
        "SHELFWISE_DATA_DIR": f"{tmp_path / 'installation'}",
        "PORT": port,
    }
    with everything_running(environment, tmp_path / "run.log"):
        for block in found:
            if block in (_RUN, _TEST):
                continue
            answered = _answered(block.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), environment)
            assert '"success":false' not in answered
            assert answered.strip()


def _answered(block: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f'trap "rm -f placed.txt" EXIT\n{block}'],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BLOCK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
