"""An import's account: every row once, bounded in memory, whole in the report file."""

import json
from pathlib import Path

import pytest

from operations.errors import CommandFailed
from operations.importing.report import MAX_KEPT_REJECTIONS, Account, opened_account


def test_every_row_is_counted_once() -> None:
    """Rows are what was accepted, rejected and skipped together."""
    account = Account()
    account.accepted += 3
    account.reject(7, "title: missing")
    account.skip("postage")
    account.skip("postage", 2)
    account.skip("fee", 0)
    report = account.report()
    assert (report.rows, report.accepted, report.rejected) == (7, 3, 1)
    assert report.skipped == {"postage": 3}
    assert [(one.line, one.reason) for one in report.rejections] == [(7, "title: missing")]


def test_rejections_are_bounded_in_memory_and_whole_in_the_file(tmp_path: Path) -> None:
    """The list stops at its bound; the count and the file go on."""
    path, many = tmp_path / "rejected.jsonl", MAX_KEPT_REJECTIONS + 5
    with opened_account(path) as account:
        for line in range(many):
            account.reject(line, "price: missing")
    report = account.report()
    assert (report.rejected, len(report.rejections)) == (many, MAX_KEPT_REJECTIONS)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"line": line, "reason": "price: missing"} for line in range(many)]


def test_a_report_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is imported, with what to do."""
    with pytest.raises(CommandFailed, match="choose another --report"), opened_account(tmp_path / "no" / "such.jsonl"):
        pass
