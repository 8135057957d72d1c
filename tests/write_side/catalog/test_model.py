"""The edition: given, when, then."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from shared_kernel.events.catalog import EditionCreated, EditionPriced
from shared_kernel.identifiers import new_id
from shared_kernel.money import Money
from tests.builders.write_side import edition_command
from write_side.catalog.commands import (
    ContributorEntry,
    CreateEdition,
    DiscontinueEdition,
    PriceEdition,
    ReviseEdition,
)
from write_side.catalog.errors import EditionAlreadyDiscontinued, InvalidEdition
from write_side.catalog.model import Edition, create, discontinue, price, revise

RATES = {"zero": 0, "standard": 2000}
NOW = datetime(2026, 3, 1, tzinfo=UTC)

_text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)
_patches = st.fixed_dictionaries(
    {},
    optional={
        "title": _text,
        "format": _text,
        "publisher": st.none() | _text,
        "language": st.none() | st.sampled_from(["en", "de-AT"]),
        "published_on": st.none() | st.sampled_from(["1813", "1813-01", "1813-01-28", "-0750"]),
        "subjects": st.none() | st.lists(_text, max_size=3),
        "contributors": st.none()
        | st.lists(st.builds(lambda name: {"name": name, "role": "author"}, _text), max_size=2),
    },
)


def test_an_isbn_10_becomes_an_isbn_13_and_the_sku() -> None:
    """Unless a SKU is given."""
    edition, event = _create(isbn13="0-306-40615-2", sku=None)
    assert (edition.isbn13, edition.sku) == ("9780306406157", "9780306406157")
    assert isinstance(event, EditionCreated)
    assert (event.isbn13, event.edition_id) == (edition.isbn13, edition.edition_id)
    assert _create(isbn13="9780306406157", sku="OWN")[0].sku == "OWN"


def test_an_edition_needs_an_isbn_or_a_sku() -> None:
    """Else nobody could name it."""
    with pytest.raises(InvalidEdition) as refused:
        _create(isbn13=None, sku=None)
    assert refused.value.errors[0].code == "missing"


@given(_patches)
def test_a_merge_patch_is_what_rfc_7396_says(patch: dict[str, object]) -> None:
    """Present members replace, null removes, absent ones stay; no event where nothing differs."""
    before, _ = _create(sku="OWN")
    command = msgspec.convert(patch, ReviseEdition)
    after, event = revise(before, command, tax_classes=RATES)
    empty: dict[str, object] = {"subjects": [], "contributors": []}
    shown_before, shown_after = (msgspec.json.decode(msgspec.json.encode(edition)) for edition in (before, after))
    expected = shown_before | {name: empty.get(name) if value is None else value for name, value in patch.items()}
    if expected == shown_before:
        assert (after, event) == (before, None)
    else:
        assert shown_after == expected | {"version": 2}
        assert event is not None
        assert set(event.changed) == {name for name in expected if expected[name] != shown_before[name]}
        assert (event.previous_title, event.title) == (before.title, after.title)


def test_an_empty_patch_changes_nothing() -> None:
    """Not even the version."""
    edition, _ = _create(sku="OWN")
    assert all(getattr(ReviseEdition(), name) is UNSET for name in ReviseEdition.__struct_fields__)
    assert revise(edition, ReviseEdition(), tax_classes=RATES) == (edition, None)


def test_a_price_names_the_one_before() -> None:
    """And the same price is no event."""
    edition, _ = _create(sku="OWN")
    priced, event = price(edition, PriceEdition(list_price=Money(amount_minor=999, currency="GBP")))
    assert event == EditionPriced(
        edition_id=edition.edition_id, currency="GBP", list_price_minor=999, previous_price_minor=1299
    )
    assert price(priced, PriceEdition(list_price=Money(amount_minor=999, currency="GBP")))[1] is None
    with pytest.raises(InvalidEdition):
        price(edition, PriceEdition(list_price=Money(amount_minor=999, currency="EUR")))


def test_an_edition_is_discontinued_once() -> None:
    """The second time is a conflict."""
    edition, _ = _create(sku="OWN")
    ended, _ = discontinue(edition, DiscontinueEdition(reason="out of print"), now=NOW)
    assert (ended.version, ended.discontinued_at) == (2, NOW)
    with pytest.raises(EditionAlreadyDiscontinued):
        discontinue(ended, DiscontinueEdition(reason="again"), now=NOW)


def _create(*, isbn13: str | None = None, sku: str | None) -> tuple[Edition, EditionCreated]:
    command = msgspec.structs.replace(edition_command(), isbn13=isbn13, sku=sku)
    assert isinstance(command, CreateEdition)
    assert command.contributors == (ContributorEntry(name="Jane Austen", role="author"),)
    return create(command, edition_id=new_id(), currency="GBP", tax_classes=RATES)
