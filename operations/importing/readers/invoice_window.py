"""Gathers an invoice's scattered lines in bounded memory.

In the real file the lines of 697 invoices resume after another invoice has begun, at most 327 lines later, and no
invoice spans more than 675 lines. An invoice is held open until 2,000 lines have passed since its last one, or 20,000
since its first, whichever comes sooner; so no more than 20,000 lines are ever held. Only the numbers of closed invoices
are kept for the whole file, since a line that comes too late must be told, not counted twice: some 100 bytes each.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

WINDOW_LINES = 2_000
SPAN_LINES = 20_000

Line = TypeVar("Line")


class _Open(Generic[Line]):
    __slots__ = ("first", "last", "lines")

    def __init__(self, *, at: int) -> None:
        self.first = at
        self.last = at
        self.lines: list[Line] = []


class InvoiceWindow(Generic[Line]):
    """Open invoices in the order in which they began; they close in that order too."""

    def __init__(self, *, limit: int | None) -> None:
        self._limit = limit
        self._at = 0
        self._open: dict[str, _Open[Line]] = {}
        self._closed: set[str] = set()

    def add(self, number: str, line: Line) -> str | None:
        """Take a line of an invoice; says why where it comes too late.

        A line of an invoice past the limit is passed over: it belongs to what was not asked for.
        """
        self._at += 1
        held = self._open.get(number)
        if held is None:
            if number in self._closed:
                return "resumed_too_late"
            if self._is_full:
                return None
            held = self._open[number] = _Open(at=self._at)
        held.last = self._at
        held.lines.append(line)
        return None

    def closed(self) -> Iterator[tuple[str, list[Line]]]:
        """The invoices that no further line can belong to, oldest first."""
        while self._open:
            number, held = next(iter(self._open.items()))
            if self._at - held.last < WINDOW_LINES and self._at - held.first < SPAN_LINES:
                return
            yield self._close(number)

    def flush(self) -> Iterator[tuple[str, list[Line]]]:
        """The rest, at the end of the file."""
        while self._open:
            yield self._close(next(iter(self._open)))

    @property
    def is_exhausted(self) -> bool:
        """Every invoice that was asked for has closed."""
        return self._is_full and not self._open

    @property
    def _is_full(self) -> bool:
        return self._limit is not None and len(self._open) + len(self._closed) >= self._limit

    def _close(self, number: str) -> tuple[str, list[Line]]:
        self._closed.add(number)
        return number, self._open.pop(number).lines
