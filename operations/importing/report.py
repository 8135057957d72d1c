"""The account of an import: every row of the file is accepted, rejected with a reason, or skipped by kind."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from operations.errors import CommandFailed

MAX_KEPT_REJECTIONS = 1_000
"""Kept in memory and shown; a report file holds every one."""

_encoder = msgspec.json.Encoder()


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not taken."""

    line: int
    reason: str


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every row, accounted for: `rows` = `accepted` + `rejected` + the sum of `skipped`."""

    rows: int
    accepted: int
    rejected: int
    rejections: tuple[Rejection, ...]
    skipped: Mapping[str, int]


class Account:
    """Counts rows as they are decided, in constant memory."""

    def __init__(self, every_rejection: IO[bytes] | None = None) -> None:
        self._every_rejection = every_rejection
        self._rejections: list[Rejection] = []
        self._skipped: Counter[str] = Counter()
        self.accepted = 0
        self.rejected = 0

    @property
    def rows(self) -> int:
        """How many rows have been decided."""
        return self.accepted + self.rejected + self._skipped.total()

    def reject(self, line: int, reason: str) -> None:
        """A row was not taken, and why."""
        self.rejected += 1
        rejection = Rejection(line=line, reason=reason)
        if len(self._rejections) < MAX_KEPT_REJECTIONS:
            self._rejections.append(rejection)
        if self._every_rejection is not None:
            self._every_rejection.write(_encoder.encode(rejection) + b"\n")

    def skip(self, kind: str, rows: int = 1) -> None:
        """Rows were passed over, as they should be."""
        if rows:
            self._skipped[kind] += rows

    def report(self) -> ImportReport:
        """Where it stands."""
        return ImportReport(
            rows=self.rows,
            accepted=self.accepted,
            rejected=self.rejected,
            rejections=tuple(self._rejections),
            skipped=dict(sorted(self._skipped.items())),
        )


@contextmanager
def opened_account(report_file: Path | None) -> Iterator[Account]:
    """An account for the block.

    Args:
        report_file: gets every rejection, one JSON object a line.

    Raises:
        CommandFailed: the file cannot be written.
    """
    if report_file is None:
        yield Account()
        return
    try:
        file = report_file.open("wb")
    except OSError as error:
        message = f"the report cannot be written to {report_file} ({error.strerror}): choose another --report"
        raise CommandFailed(message) from error
    with file:
        yield Account(file)
