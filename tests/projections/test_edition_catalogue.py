"""The catalogue's rows, given events."""

import msgspec
import pytest

from projections.edition_catalogue import PROJECTION
from read_side.edition_catalogue.view import UNKNOWN_DATE, VIEW, fold_text, published_order
from tests.builders.catalogue_events import (
    EDITION_ID,
    authors,
    edition_created,
    edition_discontinued,
    edition_priced,
    edition_revised,
    log_of,
)
from tests.builders.folding import fold


def test_a_created_edition_is_shown_as_it_was_created() -> None:
    """The body is the contract's shape: money as an object, both forms of the ISBN."""
    row = fold(PROJECTION, log_of(edition_created()))[EDITION_ID,]

    assert VIEW.body is not None
    assert msgspec.json.decode(VIEW.body(row)) == {
        "id": f"{EDITION_ID}",
        "sku": "AUS-001",
        "isbn13": "9780141439518",
        "isbn10": "0141439513",
        "title": "Pride and Prejudice",
        "contributors": [{"name": "Jane Austen", "role": "author"}],
        "format": "paperback",
        "publisher": "Penguin",
        "published_on": "1813-01-28",
        "language": "eng",
        "subjects": ["fiction"],
        "list_price": {"amount_minor": 799, "currency": "GBP"},
        "tax_class": "zero",
        "status": "active",
        "popularity": 100,
        "version": 1,
    }


def test_an_edition_without_an_isbn_has_none_of_either_form() -> None:
    """It goes by its SKU."""
    row = fold(PROJECTION, log_of(edition_created(isbn13=None, popularity=None, published_on=None)))[EDITION_ID,]

    assert (row.isbn13, row.isbn10, row.popularity, row.published_order) == (None, None, 0, UNKNOWN_DATE)


def test_an_isbn_that_begins_with_979_has_no_short_form() -> None:
    """Only 978 can be written in ten digits."""
    row = fold(PROJECTION, log_of(edition_created(isbn13="9791234567896")))[EDITION_ID,]

    assert (row.isbn13, row.isbn10) == ("9791234567896", None)


def test_what_happens_to_an_edition_changes_its_row_and_version() -> None:
    """Revised facts, a price, an end; the version is the stream's."""
    created = edition_created()
    revised = edition_revised(created, title="Émma", contributors=authors("Austen, Jane"), published_on="1815")
    row = fold(PROJECTION, log_of(created, revised, edition_priced(899), edition_discontinued()))[EDITION_ID,]

    assert (row.title, row.title_order, row.published_order) == ("Émma", "emma", 18_150_000)
    assert [contributor.name for contributor in row.contributors] == ["Austen, Jane"]
    assert (row.list_price_minor, row.status, row.version) == (899, "discontinued", 4)
    assert (row.sku, row.isbn13, row.popularity) == ("AUS-001", "9780141439518", 100)


def test_a_change_of_an_edition_nobody_created_leaves_no_row() -> None:
    """There is nothing to show of it."""
    assert fold(PROJECTION, log_of(edition_priced(1), edition_discontinued())) == {}


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("-0750", "-0044"), ("-0044-03", "-0044-04"), ("0008", "1813"), ("1813", "1813-01"), ("1813-01", "1813-01-28")],
)
def test_dates_sort_as_time_does(earlier: str, later: str) -> None:
    """Reduced precision sorts before what it might be."""
    assert published_order(earlier) < published_order(later)
    assert published_order(earlier) > UNKNOWN_DATE


@pytest.mark.parametrize(
    ("written", "folded"), [("Brontë", "bronte"), ("BRONTE", "bronte"), ("Łódź", "lodz"), ("Straße", "strasse")]
)
def test_case_and_accents_do_not_count(written: str, folded: str) -> None:
    """Whoever sorts or searches need not know them."""
    assert fold_text(written) == folded
