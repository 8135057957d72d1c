"""The run as a Markdown table, and as `benchmarks/out/bench.json`."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.rounds import Row
from benchmarks.targets import Checked

OUT = Path(__file__).parent / "out"
_LARGE = 100


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run found."""

    machine: dict[str, str | int]
    settings: dict[str, str]
    rows: Sequence[Row]
    targets: Sequence[Checked]


def markdown(report: Report) -> str:
    """The tables that are printed."""
    facts = [f"- {name}: {value}" for name, value in {**report.machine, **report.settings}.items()]
    return "\n".join(["# ShelfWise, measured", "", *facts, "", *_rows(report.rows), "", *_targets(report.targets), ""])


def _rows(rows: Sequence[Row]) -> list[str]:
    head = ["| what | median | unit | spread | CPU per answer | p99 | |", "|---|--:|---|--:|--:|--:|---|"]
    return head + [
        f"| {row.key} | {number(row.median)} | {row.unit} | {row.spread:.0%} |"
        f" {'' if row.cpu_us is None else f'{row.cpu_us:,.0f} µs'} |"
        f" {'' if row.p99_ms is None else f'{row.p99_ms:,.1f} ms'} | {row.note} |"
        for row in rows
    ]


def _targets(targets: Sequence[Checked]) -> list[str]:
    head = ["| target | measured | wanted | |", "|---|--:|---|---|"]
    return head + [f"| {one.name} | {one.value:,.2f} | {one.target} | {_mark(one)} |" for one in targets]


def _mark(one: Checked) -> str:
    return "holds" if one.ok else "**missed**"


def number(value: float) -> str:
    """Three figures that count."""
    return f"{value:,.0f}" if value >= _LARGE else f"{value:.3g}"


def write(report: Report, name: str) -> Path:
    """Keep the run for machines: `benchmarks/out/<name>.json`."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    rows = [
        {
            "key": row.key,
            "median": row.median,
            "unit": row.unit,
            "spread": row.spread,
            "values": row.values,
            "cpu_us": row.cpu_us,
            "p99_ms": row.p99_ms,
            "note": row.note,
        }
        for row in report.rows
    ]
    whole = {"machine": report.machine, "settings": report.settings, "rows": rows, "targets": report.targets}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=2))
    return path
