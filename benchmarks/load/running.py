"""Run a plan by the best generator there is."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.load.plan import LoadPlan, LoadResult
from benchmarks.load.wrk import run_wrk
from benchmarks.processes import CHECKOUT, pinned

_GRACE_SECONDS = 60.0


class GeneratorFailed(Exception):
    """The generator ended without a result; the message has what it said."""


class LoadGenerator:
    """wrk if it is installed, else the bundled one, on the core that is kept for it."""

    def __init__(self, *, core: int | None, folder: Path, wrk: str | None) -> None:
        self._core = core
        self._folder = folder
        self._wrk = wrk

    @classmethod
    def best(cls, *, core: int | None, folder: Path) -> "LoadGenerator":
        """What this machine has."""
        return cls(core=core, folder=folder, wrk=shutil.which("wrk"))

    @property
    def name(self) -> str:
        """Which one it is."""
        return "wrk" if self._wrk else "the bundled generator (wrk is not installed)"

    def run(self, plan: LoadPlan) -> LoadResult:
        """Ask, in a process of its own."""
        if self._wrk:
            return run_wrk(self._wrk, plan, core=self._core, folder=self._folder)
        command = pinned([sys.executable, "-m", "benchmarks.load.generator"], self._core)
        finished = subprocess.run(  # noqa: S603  # our own program, no shell
            command,
            input=msgspec.msgpack.encode(plan),
            capture_output=True,
            check=False,
            cwd=CHECKOUT,
            timeout=plan.seconds + plan.warm_seconds + _GRACE_SECONDS,
        )
        if finished.returncode != 0:
            raise GeneratorFailed(finished.stderr.decode(errors="replace")[-2_000:])
        return msgspec.json.decode(finished.stdout, type=LoadResult)
