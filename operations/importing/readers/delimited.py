"""Comma-separated files as they really come: a BOM, gzip, line breaks in cells, stray bytes, a broken end."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

import msgspec

from operations.importing.readers.catalogue import RejectedRow, UnreadableFile

MAX_LINE_CHARACTERS = 1_048_576
"""No row of any format we read comes near a megabyte; a longer line is no text, and would not fit in bounded memory."""

_GZIP_MAGIC = b"\x1f\x8b"
_UNDECODABLE = re.compile("[\ud800-\udfff]")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One row: the file's line it begins on, and as many cells as the header has."""

    line: int
    cells: list[str]


class LineTooLongError(ValueError):
    """A line is past its bound, so nothing after it can be told apart."""


class CsvTable:
    """An open file whose header has been read. Its records come once, in order, in constant memory."""

    def __init__(self, stream: IO[str], *, name: str) -> None:
        self._reader = csv.reader(_bounded_lines(stream), strict=True)
        try:
            self.columns: Sequence[str] = tuple(cell.strip() for cell in next(self._reader, []))
        except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile, LineTooLongError) as problem:
            msg = f"{name}: the first line is not a CSV header ({problem})"
            raise UnreadableFile(msg) from problem

    def records(self) -> Iterator[Record | RejectedRow]:
        """Every row once. Blank lines are no rows.

        A row that the quotes have garbled is refused with the span of lines it took with it.
        """
        width = len(self.columns)
        while True:  # ends with the file: each turn reads at least one line
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as problem:
                last_line = self._reader.line_num
                yield RejectedRow(line=line, reason=f"malformed_csv: lines {line} to {last_line}, {problem}")
                continue
            except LineTooLongError:
                yield RejectedRow(line=line, reason=f"line_too_long: over {MAX_LINE_CHARACTERS}, the rest is not read")
                return
            except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
                yield RejectedRow(line=line, reason=f"file_damaged: {problem}, the rest cannot be read")
                return
            if cells:
                yield _record(cells, line=line, width=width)


@contextmanager
def open_csv(path: Path, *, required: Sequence[str], known: Sequence[str] | None = None) -> Iterator[CsvTable]:
    """The file, plain or gzipped (told by its first bytes), with its header checked.

    Args:
        path: the file, UTF-8 with or without a byte order mark.
        required: columns without which nothing can be read.
        known: all the columns there are, where an unknown one is more likely a misspelt name than an extra.

    Raises:
        UnreadableFile: naming every column that is missing, doubled or unknown.
    """
    with path.open("rb") as file, _text(file) as stream:
        table = CsvTable(stream, name=path.name)
        _check_header(table.columns, required=required, known=known, name=path.name)
        yield table


def _text(file: BinaryIO) -> IO[str]:
    head = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    binary = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if head == _GZIP_MAGIC else file
    # Undecodable bytes become lone surrogates, so that one bad byte costs its row and not the file.
    return io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _bounded_lines(stream: IO[str]) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_CHARACTERS):
        if len(line) == MAX_LINE_CHARACTERS and not line.endswith(("\n", "\r")):
            raise LineTooLongError
        yield line


def _check_header(columns: Sequence[str], *, required: Sequence[str], known: Sequence[str] | None, name: str) -> None:
    missing = [column for column in required if column not in columns]
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    unknown = [column for column in columns if known is not None and column not in known]
    problems = [
        f"{what} {', '.join(map(repr, which))}"
        for what, which in (("missing", missing), ("doubled", doubled), ("unknown", unknown))
        if which
    ]
    if problems:
        msg = f"{name}: columns {'; '.join(problems)}"
        raise UnreadableFile(msg)


def _record(cells: list[str], *, line: int, width: int) -> Record | RejectedRow:
    if len(cells) != width:
        return RejectedRow(line=line, reason=f"cell_count: {len(cells)} cells, the header has {width}")
    joined = "".join(cells)
    if not joined.isascii() and _UNDECODABLE.search(joined):
        return RejectedRow(line=line, reason="not_utf8")
    return Record(line=line, cells=cells)
