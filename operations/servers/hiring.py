"""Start a keeper and hear from it where its servers answer."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from operations.servers.errors import InstallationUnusable
from operations.servers.keeper import Plan, Report
from operations.servers.process import open_log

# initdb (120 s) and getting ready (60 s) have bounds of their own, with better messages.
_TIMEOUT_SECONDS = 190.0


def hire_keeper(plan: Plan) -> Report:
    """Start a keeper that outlives this process if others still use its servers.

    Raises:
        InstallationUnusable: its servers did not start.
    """
    log = Path(plan.data_dir) / "keeper.log"
    log.unlink(missing_ok=True)
    with open_log(log) as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "operations.servers.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the command, which then leaves in good order
        )
    with process:
        try:
            printed, _ = process.communicate(msgspec.json.encode(plan), timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            message = f"the servers did not start within {_TIMEOUT_SECONDS:.0f} s: see {log.parent}/*.log"
            raise InstallationUnusable(message) from error
    return _understood(printed, log)


def _understood(printed: bytes, log: Path) -> Report:
    try:
        report = msgspec.json.decode(printed, type=Report)
    except msgspec.MsgspecError as error:
        message = f"the process that starts the servers ended unexpectedly: see {log}"
        raise InstallationUnusable(message) from error
    if report.failure:
        raise InstallationUnusable(report.failure)
    return report


def _environment() -> dict[str, str]:
    # The very code that runs here, whatever else is installed; and nobody's secrets.
    own_code = f"{Path(__file__).resolve().parents[2]}"
    given = os.environ.get("PYTHONPATH", "")
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": f"{own_code}{os.pathsep}{given}" if given else own_code,
    }
