"""What the table says about a target."""

import msgspec

from benchmarks.report import Report, markdown, write
from benchmarks.rounds import Row
from benchmarks.soak import settled_points
from benchmarks.targets import TARGETS, Target


def _rows(**values: tuple[float, ...]) -> dict[str, Row]:
    return {key: Row(key=key, unit="1/s", values=found) for key, found in values.items()}


def test_a_ratio_is_of_medians_within_one_run() -> None:
    """One disturbed round changes nothing."""
    rows = _rows(ours=(60.0, 61.0, 5.0), floor=(100.0, 100.0, 900.0))
    checked = Target(name="t", of="ours", over="floor", bound=0.6).check(rows)
    assert checked is not None
    assert checked.value == 0.6
    assert checked.ok


def test_a_bound_from_above_is_missed_above_it() -> None:
    """Latencies are to be small."""
    rows = _rows(ours=(31.0,), floor=(10.0,))
    checked = Target(name="t", of="ours", over="floor", bound=3, at_most=True).check(rows)
    assert checked is not None
    assert not checked.ok


def test_a_target_of_what_was_not_measured_is_not_claimed() -> None:
    """A part of the run says nothing about the others."""
    assert Target(name="t", of="ours", over="floor", bound=1).check(_rows(ours=(1.0,))) is None


def test_the_issue_has_a_target_for_every_line_of_its_table() -> None:
    """Seven lines of it are checked by `make bench`, some against two others."""
    assert {target.of for target in TARGETS} >= {
        "read.cached.shelfwise",
        "read.list.shelfwise",
        "read.dashboard.shelfwise",
        "write.shelfwise",
        "project.shelfwise",
        "rebuild.shelfwise",
        "e2e.shelfwise.p50",
        "e2e.shelfwise.p99",
    }


def test_the_report_has_the_shape_the_issue_gives(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # pytest's own
    """Machine, settings, rows and targets; and a missed target is seen at a glance."""
    monkeypatch.setattr("benchmarks.report.OUT", tmp_path)
    rows = _rows(ours=(1.0, 3.0, 2.0), floor=(10.0,))
    checked = Target(name="t", of="ours", over="floor", bound=0.6).check(rows)
    assert checked is not None
    report = Report(machine={"cores": 2}, settings={"fsync": "on"}, rows=list(rows.values()), targets=[checked])
    kept = msgspec.json.decode(write(report, "bench").read_bytes())
    assert kept["rows"][0] | {"key": "ours", "median": 2.0, "unit": "1/s", "spread": 1.0} == kept["rows"][0]
    assert kept["targets"] == [{"name": "t", "value": 0.2, "target": "≥ 0.6 times floor", "ok": False}]
    assert "**missed**" in markdown(report)


def test_memory_is_judged_once_it_has_settled() -> None:
    """Pools and caches fill up in the first quarter."""
    points = [(float(second), 100.0 + min(second, 25)) for second in range(101)]
    assert settled_points(points)[0] == (25.0, 125.0)
