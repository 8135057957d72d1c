"""Our own catalogue file, and files that are not quite CSV."""

import csv
import gzip
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.importing.readers import field_rules
from operations.importing.readers.catalogue import CatalogueRow, FieldProblem, RejectedRow, UnreadableFile
from operations.importing.readers.csv_catalogue import COLUMNS, read_csv_catalogue
from operations.importing.readers.delimited import MAX_LINE_CHARACTERS

_HEADER = b"sku,title\n"
_EMMA = {
    "isbn13": "0-306-40615-2",
    "sku": "EMMA-1",
    "title": "Emma",
    "contributors": "Jane Austen; Hugh Thomson (illustrator)",
    "format": "paperback",
    "publisher": "John Murray",
    "published_on": "1815-12-23",
    "language": "en-GB",
    "subjects": "Fiction; Romance;Fiction",
    "list_price": "8.99",
    "currency": "GBP",
    "popularity": "70",
}


def _bytes(*rows: dict[str, str]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def _read(folder: Path, content: bytes) -> list[CatalogueRow | RejectedRow]:
    path = folder / "catalogue.csv"
    path.write_bytes(content)
    return list(read_csv_catalogue(path))


def _titles(rows: list[CatalogueRow | RejectedRow]) -> list[str]:
    return [row.title if isinstance(row, CatalogueRow) else row.reason for row in rows]


@pytest.mark.parametrize("encoded", [_bytes(_EMMA), b"\xef\xbb\xbf" + _bytes(_EMMA), gzip.compress(_bytes(_EMMA))])
def test_a_full_row(tmp_path: Path, encoded: bytes) -> None:
    """With a byte order mark, gzipped, or plain."""
    (row,) = _read(tmp_path, encoded)
    assert isinstance(row, CatalogueRow)
    assert (row.line, row.isbn13, row.sku, row.title) == (2, "9780306406157", "EMMA-1", "Emma")
    assert [(c.name, c.role) for c in row.contributors] == [
        ("Jane Austen", "author"),
        ("Hugh Thomson", "illustrator"),
    ]
    assert (row.format, row.publisher, row.published_on) == ("paperback", "John Murray", "1815-12-23")
    assert (row.language, row.subjects) == ("en-gb", ("Fiction", "Romance"))
    assert (row.list_price_minor, row.currency, row.popularity) == (899, "GBP", 70)


def test_the_least_row(tmp_path: Path) -> None:
    """A title and one identifier; columns may be left out."""
    (row,) = _read(tmp_path, b"title,sku\nEmma,E.1\n")
    assert isinstance(row, CatalogueRow)
    assert (row.isbn13, row.sku, row.format, row.list_price_minor) == (None, "E.1", "other", None)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"isbn13,sku\n", "missing 'title'"),
        (b"title,publsher,sku\n", "unknown 'publsher'"),
        (b"title,sku,sku\n", "doubled 'sku'"),
        (b"title,format\n", "missing 'isbn13' or 'sku'"),
        (b"", "missing 'title'"),
        (b'"title', "not a CSV header"),
        (b"\x1f\x8bno gzip at all", "not a CSV header"),
    ],
)
def test_a_wrong_header_is_one_clear_error(tmp_path: Path, header: bytes, message: str) -> None:
    """Before any row is read."""
    with pytest.raises(UnreadableFile, match=message):
        _read(tmp_path, header)


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"isbn13": "9780306406158"}, "isbn13", "invalid_isbn_check_digit"),
        ({"isbn13": "", "sku": ""}, "isbn13", "missing"),
        ({"sku": "a b"}, "sku", "invalid_sku"),
        ({"sku": "a" * 65}, "sku", "invalid_sku"),
        ({"title": ""}, "title", "missing"),
        ({"title": "x" * 501}, "title", "too_long: 501 characters, at most 500"),
        ({"title": "a\x1bb"}, "title", "control_character"),
        ({"publisher": "x" * 201}, "publisher", "too_long: 201 characters, at most 200"),
        ({"contributors": "A (publisher)"}, "contributors", "unknown_contributors: one of author, editor"),
        ({"format": "scroll"}, "format", "unknown_format: one of hardback"),
        ({"published_on": "1815-02-29"}, "published_on", "invalid_date"),
        ({"published_on": "1815-13"}, "published_on", "invalid_date"),
        ({"published_on": "23/12/1815"}, "published_on", "invalid_date"),
        ({"language": "x" * 9}, "language", "invalid_language"),
        ({"subjects": "x" * 101}, "subjects", "too_long: 101 characters, at most 100"),
        ({"subjects": ";".join(map(str, range(51)))}, "subjects", "too_many: 51, at most 50"),
        ({"list_price": "8.999"}, "list_price", "price_too_precise"),
        ({"list_price": "-1"}, "list_price", "invalid_price"),
        ({"list_price": "NaN"}, "list_price", "invalid_price"),
        ({"list_price": "1e9"}, "list_price", "invalid_price"),
        ({"list_price": "999999999999999"}, "list_price", "price_too_large"),
        ({"list_price": ""}, "list_price", "missing"),
        ({"currency": ""}, "currency", "missing"),
        ({"currency": "gbp"}, "currency", "invalid_currency"),
        ({"popularity": "many"}, "popularity", "invalid_number"),
    ],
)
def test_a_bad_row_is_told_and_the_next_one_read(
    tmp_path: Path, change: dict[str, str], field: str, reason: str
) -> None:
    """Refused whole with its line, field and reason; nothing is cut to fit."""
    refused, taken = _read(tmp_path, _bytes(_EMMA | change, _EMMA))
    assert isinstance(refused, RejectedRow)
    assert (refused.line, refused.field) == (2, field)
    assert refused.reason.startswith(reason)
    assert isinstance(taken, CatalogueRow)


def test_bounds_are_inclusive(tmp_path: Path) -> None:
    """What is exactly as long as allowed is taken, and comes out whole."""
    full = {
        "title": "t" * 500,
        "sku": "s" * 64,
        "publisher": "p" * 200,
        "subjects": "x" * 100,
        "contributors": "n" * 200,
    }
    (row,) = _read(tmp_path, _bytes(_EMMA | full))
    assert isinstance(row, CatalogueRow)
    assert (len(row.title), len(row.contributors[0].name), len(row.subjects[0])) == (500, 200, 100)


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [("9.99", "GBP", 999), ("9.9", "GBP", 990), ("0", "GBP", 0), ("1200", "JPY", 1200), ("1.234", "KWD", 1234)],
)
def test_prices_follow_their_currency(amount: str, code: str, minor: int) -> None:
    """Two decimals, none, three."""
    assert field_rules.price_minor(amount, code=code) == minor


@given(st.integers(0, 10**15))
def test_prices_are_exact(minor: int) -> None:
    """No float in between, however large."""
    assert field_rules.price_minor(str(Decimal(minor).scaleb(-2)), code="GBP") == minor


def test_white_space_in_a_cell_is_one_space(tmp_path: Path) -> None:
    """Line breaks in quotes are RFC 4180's; lines are counted as an editor counts them."""
    rows = _read(tmp_path, _HEADER + b'a,"Gone\r\n\twith  the\nwind"\r\nb,Next\n')
    assert _titles(rows) == ["Gone with the wind", "Next"]
    assert [row.line for row in rows] == [2, 5]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """And a missing last line break loses none."""
    assert _titles(_read(tmp_path, _HEADER + b"\na,One\n\n\nb,Two")) == ["One", "Two"]


def test_garbled_rows_are_told_one_by_one(tmp_path: Path) -> None:
    """Stray bytes, missing cells, text after a quote: each costs its row only."""
    rows = _read(tmp_path, _HEADER + b'a,caf\xe9\nb\nc,"x"y\nd,N\x00L\ne,Good\n')
    assert [row.line for row in rows] == [2, 3, 4, 5, 6]
    assert [title.split(":")[0] for title in _titles(rows)] == [
        "not_utf8",
        "cell_count",
        "malformed_csv",
        "control_character",
        "Good",
    ]


def test_an_unclosed_quote_names_what_it_took(tmp_path: Path) -> None:
    """To the end of the file, or to the parser's own bound, after which reading goes on."""
    (last,) = _read(tmp_path, _HEADER + b'a,"One\nb,Two\n')
    assert isinstance(last, RejectedRow)
    assert last.reason.startswith("malformed_csv: lines 2 to 3")
    rows = _read(tmp_path, _HEADER + b'a,"One\n' + b"b,Two\n" * 30_000)
    assert isinstance(rows[0], RejectedRow)
    taken = 30_001 - (len(rows) - 1)
    assert rows[0].reason.startswith(f"malformed_csv: lines 2 to {taken + 1},")
    assert set(_titles(rows[1:])) == {"Two"}


def test_a_line_without_end_ends_the_reading(tmp_path: Path) -> None:
    """In bounded memory, saying where."""
    rows = _read(tmp_path, _HEADER + b"a,One\n" + b"x" * (MAX_LINE_CHARACTERS + 1) + b"\nb,Two\n")
    assert [row.line for row in rows] == [2, 3]
    assert _titles(rows)[1].startswith("line_too_long")


def test_a_damaged_gzip_ends_with_one_row_that_says_so(tmp_path: Path) -> None:
    """What was read before stays read."""
    whole = gzip.compress(_HEADER + b"".join(b"%d,Title %d\n" % (n, n * 7919) for n in range(20_000)))
    rows = _read(tmp_path, whole[: len(whole) // 2])
    assert all(isinstance(row, CatalogueRow) for row in rows[:-1])
    assert len(rows) > 1_000
    assert isinstance(rows[-1], RejectedRow)
    assert rows[-1].reason.startswith("file_damaged")


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Every row comes out as one thing or the other."""
    for row in _read(tmp_path_factory.mktemp("csv"), b"sku,title,published_on,list_price,currency\n" + content):
        assert isinstance(row, CatalogueRow | RejectedRow)


@given(st.from_regex(r"-?[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", fullmatch=True))
def test_dates_are_taken_as_written_or_refused(text: str) -> None:
    """No date is turned into another."""
    try:
        taken = field_rules.published_on(text)
    except FieldProblem:
        return
    assert taken == text
