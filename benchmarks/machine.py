"""The machine: its cores, who runs on which, and what a process has used."""

import os
import platform
from pathlib import Path

import msgspec

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """Which core serves and which loads; None where there is only one and nothing is pinned."""

    server: int | None
    load: int | None


def choose_cores() -> Cores:
    """The first core we may use serves, the last loads."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) == 1:
        return Cores(server=None, load=None)
    return Cores(server=available[0], load=available[-1])


def describe() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES // 2**20,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def process_tree(pid: int) -> list[int]:
    """A process and all that descend from it, as far as they still run."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:  # grows while it is walked; a tree of processes has an end
        found.extend(parents.get(one, []))
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its descendants have used."""
    fields = [_stat(one) for one in process_tree(pid)]
    return sum(int(one[11]) + int(one[12]) for one in fields if one) / _TICKS_PER_SECOND


def resident_mb(pid: int) -> float:
    """Memory that a process alone holds in RAM, in MB."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * _PAGE_BYTES / 2**20


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything; empty once the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
