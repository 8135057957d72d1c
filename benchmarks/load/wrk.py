"""The same load by wrk, where it is installed: a Lua script asks the plan's requests in turn."""

import re
import subprocess
from pathlib import Path

from benchmarks.load.plan import MARK, SHORT_MARK, LoadPlan, LoadResult
from benchmarks.processes import pinned

_SCRIPT = """
local requests = {%(requests)s}
local number, turn = %(first)d, 0
function request()
  turn = turn %% #requests + 1
  local text = requests[turn]
  if text:find("%(short)s", 1, true) then
    local digits = string.format("%%012d", number)
    number = number + 1
    text = text:gsub("%(mark)s", digits):gsub("%(short)s", digits:sub(-6))
  end
  return text
end
function done(summary, latency, _)
  io.write(string.format("RESULT %%d %%d %%d %%f %%f\\n", summary.requests, summary.errors.status +
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""
_TIMEOUT_SECONDS = 30
"""Its own two seconds would count a slow peer's answers as errors."""
_RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)$", re.MULTILINE)


class WrkFailed(Exception):
    """wrk ended without a result; the message has what it said."""


def run_wrk(program: str, plan: LoadPlan, *, core: int | None, folder: Path) -> LoadResult:
    """Ask with wrk's one thread, warming first.

    Raises:
        WrkFailed: it gave no result.
    """
    script = folder / "load.lua"
    script.write_bytes(lua_script(plan))
    if plan.warm_seconds:
        # Its numbers are below those of the plan by more than it can use.
        warming = lua_script(plan, first_number=plan.first_number + 500_000)
        warm = folder / "warm.lua"
        warm.write_bytes(warming)
        _wrk(program, plan, script=warm, seconds=plan.warm_seconds, core=core)
    printed = _wrk(program, plan, script=script, seconds=plan.seconds, core=core)
    found = _RESULT.search(printed)
    if found is None:
        raise WrkFailed(printed)
    requests, failed, microseconds = (int(group) for group in found.groups()[:3])
    p50_us, p99_us = (float(group) for group in found.groups()[3:])
    return LoadResult(
        seconds=microseconds / 1e6,
        answered=requests - failed,
        failed=failed,
        p50_ms=p50_us / 1e3,
        p99_ms=p99_us / 1e3,
    )


def lua_script(plan: LoadPlan, *, first_number: int | None = None) -> bytes:
    """The script that asks a plan's requests."""
    values = {
        "requests": ", ".join(_lua_string(one) for one in plan.requests),
        "first": plan.first_number if first_number is None else first_number,
        "mark": MARK.decode(),
        "short": SHORT_MARK.decode(),
    }
    return (_SCRIPT % values).encode()


def _lua_string(text: bytes) -> str:
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def _wrk(program: str, plan: LoadPlan, *, script: Path, seconds: float, core: int | None) -> str:
    options = [
        "-t1",
        f"--timeout={_TIMEOUT_SECONDS}s",
        f"-c{plan.connections}",
        f"-d{max(1, round(seconds))}s",
        "-s",
        f"{script}",
    ]
    command = pinned([program, *options, f"http://127.0.0.1:{plan.port}/"], core)
    return subprocess.run(  # noqa: S603  # our own program, no shell
        command, capture_output=True, text=True, check=False, timeout=seconds + 60
    ).stdout
