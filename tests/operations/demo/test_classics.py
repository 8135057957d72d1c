"""The catalogue that ships with the project."""

from collections import Counter

from operations.demo.classics import CLASSICS_CSV, classics
from operations.importing.readers.catalogue import RejectedRow
from operations.importing.readers.csv_catalogue import read_csv_catalogue
from shared_kernel.isbn import isbn10_of, parse_isbn


def test_our_own_reader_takes_every_row() -> None:
    """Three hundred, none refused."""
    rows = list(read_csv_catalogue(CLASSICS_CSV))
    assert [row for row in rows if isinstance(row, RejectedRow)] == []
    assert len(rows) == 300


def test_isbns_are_one_range_with_right_check_digits() -> None:
    """978-69-0000-000 to 299: a group nobody has, so that no real book is meant; each has its ISBN-10 too."""
    isbns = sorted(row.isbn13 for row in classics() if row.isbn13 is not None)
    assert [isbn[:12] for isbn in isbns] == [f"978690000{number:03d}" for number in range(300)]
    assert [parse_isbn(isbn10_of(isbn) or "") for isbn in isbns] == isbns


def test_nothing_is_there_twice() -> None:
    """No title by the same author, and no two of one popularity, so that the order is one order."""
    rows = classics()
    assert len({(row.title, row.contributors) for row in rows}) == 300
    popularity = [row.popularity or 0 for row in rows]
    assert popularity == sorted(set(popularity), reverse=True)


def test_every_row_is_complete() -> None:
    """A shelf with gaps shows nothing."""
    for row in classics():
        assert row.contributors
        assert row.subjects
        assert row.publisher
        assert row.published_on
        assert row.language
        assert row.currency == "GBP"
        assert 399 <= (row.list_price_minor or 0) <= 3_999


def test_the_shelf_is_spread() -> None:
    """Kinds, languages and ages of the world."""
    rows = classics()
    kinds = Counter(row.subjects[0] for row in rows)
    assert set(kinds) == {"Fiction", "Poetry", "Plays", "Children's books", "Non-fiction"}
    assert min(kinds.values()) >= 20
    assert len({row.language for row in rows}) >= 10
    years = [int((row.published_on or "")[: 5 if (row.published_on or "").startswith("-") else 4]) for row in rows]
    assert min(years) < -1_000
    assert max(years) <= 1930
    assert sum(year < 1500 for year in years) >= 20
    assert {contributor.role for row in rows for contributor in row.contributors} >= {"author", "translator", "editor"}
    assert {row.format for row in rows} == {"paperback", "hardback"}
