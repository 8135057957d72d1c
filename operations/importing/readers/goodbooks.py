"""goodbooks-10k's `books.csv`: ten thousand books as spreadsheets left them.

What is broken in it, and what is done: `isbn` was stored as a number and lost its leading zeros, so it is padded back
to ten characters and believed only if its check digit agrees. `isbn13` went through a float and lost its last digits,
so it is never read. A row without a usable ISBN-10 gets an own SKU, `GB-<book_id>`. There is no price. The title
carries the series in brackets, and keeps it. The format is not told.
Source: github.com/zygmuntz/goodbooks-10k (CC BY-SA 4.0).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from operations.importing.readers import field_rules
from operations.importing.readers.catalogue import CatalogueRow, FieldProblem, RejectedRow
from operations.importing.readers.delimited import Record, open_csv
from shared_kernel.isbn import InvalidIsbn, Isbn13, parse_isbn

REQUIRED_COLUMNS = (
    "book_id",
    "isbn",
    "authors",
    "original_publication_year",
    "title",
    "language_code",
    "ratings_count",
)

_ISBN10_CHARACTERS = 10
_SHORTEST_ISBN10_CHARACTERS = 6
"""Four zeros are as many as a real ISBN-10 can lose: group, publisher and title need the rest."""
_BOOK_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_YEAR = re.compile(r"(-?)([0-9]{1,4})(?:\.0+)?", re.ASCII)


def read_goodbooks(path: Path) -> Iterator[CatalogueRow | RejectedRow]:
    """Every row of `books.csv` once; `popularity` is its `ratings_count`, `source_id` its `book_id`."""
    with open_csv(path, required=REQUIRED_COLUMNS) as table:
        for record in table.records():
            if isinstance(record, RejectedRow):
                yield record
            else:
                yield _row(record, dict(zip(table.columns, record.cells, strict=True)))


def recovered_isbn13(isbn10_as_number: str) -> Isbn13 | None:
    """The ISBN-13 of an ISBN-10 whose leading zeros a spreadsheet dropped; None where no check digit agrees."""
    compact = isbn10_as_number.strip()
    if not _SHORTEST_ISBN10_CHARACTERS <= len(compact) <= _ISBN10_CHARACTERS:
        return None
    try:
        return parse_isbn(compact.rjust(_ISBN10_CHARACTERS, "0"))
    except InvalidIsbn:
        return None


def _row(record: Record, cells: Mapping[str, str]) -> CatalogueRow | RejectedRow:
    try:
        book_id = _book_id(cells["book_id"])
        isbn13 = recovered_isbn13(cells["isbn"])
        return field_rules.checked(
            field_rules.ForeignRow(
                line=record.line,
                source_id=book_id,
                isbn13=isbn13,
                sku=f"GB-{book_id}" if isbn13 is None else None,
                title=cells["title"],
                contributors=((name, "author") for name in cells["authors"].split(",")),
                format="other",
                published_on=_year(cells["original_publication_year"]),
                language=cells["language_code"],
                popularity=field_rules.popularity(cells["ratings_count"]),
            )
        )
    except FieldProblem as problem:
        return problem.rejected(record.line)


def _book_id(cell: str) -> str:
    if not _BOOK_ID.fullmatch(cell):
        raise FieldProblem("invalid_number", field="book_id")
    return cell


def _year(cell: str) -> str:
    """`2008.0` is 2008, `-750.0` is `-0750`: the sign as it stands, four digits."""
    if not cell:
        return ""
    match = _YEAR.fullmatch(cell)
    if match is None:
        raise FieldProblem("invalid_year", field="published_on")
    sign, digits = match.groups()
    return f"{sign}{digits.zfill(4)}"
