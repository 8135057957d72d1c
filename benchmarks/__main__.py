"""The benchmarks' command line: `python -m benchmarks [--only read|write|project|e2e] [--quick]`."""

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping

import msgspec

from benchmarks import end_to_end, machine, reading, writing
from benchmarks.load.running import LoadGenerator
from benchmarks.machine import Cores, choose_cores
from benchmarks.place import Site, open_site
from benchmarks.projecting import measure as projecting
from benchmarks.report import Report, markdown, write
from benchmarks.rounds import FULL, QUICK, Effort, Row, note
from benchmarks.targets import TARGETS

Measure = Callable[[Site, LoadGenerator, Cores, Effort], list[Row]]
PARTS: Mapping[str, Measure] = {
    "read": reading.measure,
    "write": writing.measure,
    "project": projecting.measure,
    "e2e": end_to_end.measure,
}


def main() -> None:
    """Measure, print the tables, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*PARTS, ""], default="", help="one part")
    parser.add_argument("--quick", action="store_true", help="one short round on little data, for development")
    parser.add_argument("--rounds", type=int, help="instead of three")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    if arguments.rounds:
        effort = msgspec.structs.replace(effort, rounds=arguments.rounds)
    parts = {name: part for name, part in PARTS.items() if arguments.only in ("", name)}
    report = run(parts, effort)
    sys.stdout.write(markdown(report))
    note(f"kept in {write(report, 'bench')}")
    sys.exit(0 if report.settings["failed parts"] == "none" else 1)


def run(parts: Mapping[str, Measure], effort: Effort) -> Report:
    """Run parts one after the other, each on servers of its own: none pays for vacuuming what others have written."""
    cores = choose_cores()
    rows: list[Row] = []
    failed: list[str] = []
    settings: dict[str, str] = {}
    for name, part in parts.items():
        note(name)
        with open_site() as site:
            generator = LoadGenerator.best(core=cores.load, folder=site.folder)
            settings = {**site.settings, "load": generator.name}
            try:
                rows += part(site, generator, cores, effort)
            except Exception:  # noqa: BLE001  # the process's edge: what else was measured is still worth its table
                failed.append(name)
                traceback.print_exc()
    settings |= {
        "tenants": f"{reading.STORES}",
        "failed parts": ", ".join(failed) or "none",
        "server on core": f"{cores.server}",
        "load on core": f"{cores.load}",
    }
    by_key = {row.key: row for row in rows}
    checked = [one for one in (target.check(by_key) for target in TARGETS) if one is not None]
    return Report(machine=machine.describe(), settings=settings, rows=rows, targets=checked)


if __name__ == "__main__":
    main()
