"""The goodbooks reader: what a spreadsheet broke, mended or told."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.importing.readers.catalogue import CatalogueRow, RejectedRow, UnreadableFile
from operations.importing.readers.goodbooks import REQUIRED_COLUMNS, read_goodbooks, recovered_isbn13
from shared_kernel.isbn import Isbn13, isbn10_of, parse_isbn
from tests.operations.importing.real_input import real_input

_BOOK = {
    "book_id": "1",
    "isbn": "439023483",
    "authors": "Suzanne Collins",
    "original_publication_year": "2008.0",
    "title": "The Hunger Games (The Hunger Games, #1)",
    "language_code": "eng",
    "ratings_count": "4780653",
}


def _read(folder: Path, *changes: dict[str, str]) -> list[CatalogueRow | RejectedRow]:
    path = folder / "books.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, REQUIRED_COLUMNS)
        writer.writeheader()
        writer.writerows(_BOOK | change for change in changes)
    return list(read_goodbooks(path))


def _taken(folder: Path, change: dict[str, str]) -> CatalogueRow:
    (row,) = _read(folder, change)
    assert isinstance(row, CatalogueRow)
    return row


@pytest.fixture(scope="module")
def real_rows() -> list[CatalogueRow | RejectedRow]:
    """The whole real file."""
    return list(read_goodbooks(real_input("goodbooks-10k/books.csv")))


def test_all_ten_thousand_are_accounted_for(real_rows: list[CatalogueRow | RejectedRow]) -> None:
    """9,277 recoverable ISBNs; 565 + 135 rows without an ISBN-10 and 23 with an invalid one under an own SKU."""
    taken = [row for row in real_rows if isinstance(row, CatalogueRow)]
    assert len(real_rows) == len(taken) == 10_000
    assert Counter(row.isbn13 is None for row in taken) == {False: 9_277, True: 723}
    assert {row.sku for row in taken if row.isbn13 is None} == {
        f"GB-{row.source_id}" for row in taken if row.isbn13 is None
    }
    assert all(row.sku is None for row in taken if row.isbn13 is not None)


def test_nothing_in_the_real_file_is_there_twice(real_rows: list[CatalogueRow | RejectedRow]) -> None:
    """So no row is lost to a unique key."""
    keys = [row.isbn13 or row.sku for row in real_rows if isinstance(row, CatalogueRow)]
    assert len(set(keys)) == 10_000
    assert [row.line for row in real_rows] == list(range(2, 10_002))


def test_recovered_isbns_agree_with_what_is_left_of_isbn13(real_rows: list[CatalogueRow | RejectedRow]) -> None:
    """The rounded ISBN-13 confirms all but 20 rows, whose ISBN-13 is another edition's or none at all."""
    with real_input("goodbooks-10k/books.csv").open(encoding="utf-8", newline="") as file:
        rounded = {row["book_id"]: row["isbn13"] for row in csv.DictReader(file)}
    pairs = [
        (int(row.isbn13), float(rounded[row.source_id or ""]))
        for row in real_rows
        if isinstance(row, CatalogueRow) and row.isbn13 is not None and rounded[row.source_id or ""]
    ]
    assert Counter(abs(ours - theirs) <= 10 for ours, theirs in pairs) == {True: 9_238, False: 20}


def test_a_row_as_it_comes(tmp_path: Path) -> None:
    """The first book of the file, its lost zero put back."""
    row = _taken(tmp_path, {})
    assert (row.isbn13, row.sku, row.source_id) == ("9780439023481", None, "1")
    assert row.title == "The Hunger Games (The Hunger Games, #1)"
    assert (row.published_on, row.language, row.popularity) == ("2008", "eng", 4_780_653)
    assert (row.list_price_minor, row.currency, row.format) == (None, None, "other")


def test_authors_are_split_and_named_once(tmp_path: Path) -> None:
    """Some cells name one author twice."""
    row = _taken(tmp_path, {"authors": "Mikhail Bulgakov, Mirra  Ginsburg,, Mikhail Bulgakov"})
    assert [(author.name, author.role) for author in row.contributors] == [
        ("Mikhail Bulgakov", "author"),
        ("Mirra Ginsburg", "author"),
    ]


@pytest.mark.parametrize(
    ("cell", "published_on"),
    [("-750.0", "-0750"), ("-17.0", "-0017"), ("8.0", "0008"), ("1865", "1865"), ("", None), ("-1750.0", "-1750")],
)
def test_years_reach_back_before_christ(tmp_path: Path, cell: str, published_on: str | None) -> None:
    """Four digits and a sign, as ISO 8601-2 writes them."""
    assert _taken(tmp_path, {"original_publication_year": cell}).published_on == published_on


@pytest.mark.parametrize("isbn", ["", "812971060", "0", "97893806587", "43902348Y", "\u0661439023483"])
def test_without_a_usable_isbn_a_row_gets_an_own_sku(tmp_path: Path, isbn: str) -> None:
    """Nothing is guessed and nothing is lost."""
    row = _taken(tmp_path, {"isbn": isbn, "book_id": "77"})
    assert (row.isbn13, row.sku) == (None, "GB-77")


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"title": " "}, "title", "missing"),
        ({"title": "x" * 501}, "title", "too_long: 501 characters, at most 500"),
        ({"title": "a\x00b"}, "title", "control_character"),
        ({"authors": "y" * 201}, "contributors", "too_long: 201 characters, at most 200"),
        ({"authors": ",".join(map(str, range(51)))}, "contributors", "too_many: 51, at most 50"),
        ({"original_publication_year": "1984.5"}, "published_on", "invalid_year"),
        ({"original_publication_year": "-0.0"}, "published_on", "invalid_date"),
        ({"language_code": "english language"}, "language", "invalid_language"),
        ({"ratings_count": "-1"}, "popularity", "invalid_number"),
        ({"book_id": "1; DROP"}, "book_id", "invalid_number"),
    ],
)
def test_a_bad_row_is_told_and_the_next_one_read(
    tmp_path: Path, change: dict[str, str], field: str, reason: str
) -> None:
    """Its line, its field, its reason."""
    refused, taken = _read(tmp_path, change, {})
    assert refused == RejectedRow(line=2, reason=reason, field=field)
    assert isinstance(taken, CatalogueRow)


def test_another_file_is_refused_before_its_first_row(tmp_path: Path) -> None:
    """Naming what is missing."""
    path = tmp_path / "books.csv"
    path.write_text("book_id,title\n1,x\n", encoding="utf-8")
    with pytest.raises(UnreadableFile, match="missing 'isbn', 'authors'"):
        next(read_goodbooks(path))


@given(st.integers(0, 9_999_999).map(lambda tail: parse_isbn(_with_check_digit(f"00{tail:07d}"))))
def test_lost_zeros_are_put_back(isbn13: Isbn13) -> None:
    """However many a spreadsheet dropped, up to four."""
    isbn10 = isbn10_of(isbn13)
    assert isbn10 is not None
    shortened = isbn10.lstrip("0")
    if len(shortened) >= 6:
        assert recovered_isbn13(shortened) == isbn13


def _with_check_digit(nine: str) -> str:
    value = -sum((10 - at) * int(digit) for at, digit in enumerate(nine)) % 11
    return nine + ("X" if value == 10 else str(value))
