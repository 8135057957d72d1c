"""The edition: pure decisions."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET

from shared_kernel.errors import FieldError
from shared_kernel.events.catalog import Contributor, EditionCreated, EditionDiscontinued, EditionPriced, EditionRevised
from shared_kernel.events.envelope import Event
from shared_kernel.isbn import InvalidIsbn, parse_isbn
from shared_kernel.money import Money
from write_side.catalog.commands import (
    DEFAULT_TAX_CLASS,
    ContributorEntry,
    ContributorShown,
    CreateEdition,
    DiscontinueEdition,
    EditionDecided,
    PriceEdition,
    ReviseEdition,
)
from write_side.catalog.errors import EditionAlreadyDiscontinued, InvalidEdition

EventT = TypeVar("EventT", bound=Event)

_MONTH_AND_DAY = len("-01-28")
_FULL_DATE_LENGTH = len("1813-01-28")
_CALENDAR_CYCLE_YEARS = 400
_CYCLE_BEGINS = 2000
"""The Gregorian calendar repeats every 400 years, also before its own beginning (ISO 8601, where 0000 is 1 BC)."""
_REVISABLE = (
    "title",
    "contributors",
    "format",
    "publisher",
    "published_on",
    "language",
    "subjects",
    "tax_class",
)
_REMOVED: Mapping[str, object] = {"contributors": (), "subjects": (), "tax_class": DEFAULT_TAX_CLASS}
"""What null leaves where a field cannot be without a value."""


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """An edition as it stands."""

    edition_id: UUID
    version: int
    sku: str
    isbn13: str | None
    title: str
    contributors: tuple[Contributor, ...]
    format: str
    publisher: str | None
    published_on: str | None
    language: str | None
    subjects: tuple[str, ...]
    tax_class: str
    currency: str
    list_price_minor: int
    popularity: int | None = None
    discontinued_at: datetime | None = None


def create(
    command: CreateEdition, *, edition_id: UUID, currency: str, tax_classes: Mapping[str, int]
) -> tuple[Edition, EditionCreated]:
    """Begin to sell an edition.

    Args:
        currency: the store's.
        tax_classes: the store's, whatever their rates.

    Raises:
        InvalidEdition: with every fault.
    """
    isbn13, faults = _isbn_of(command)
    faults += [
        *price_faults(command.list_price, currency),
        *tax_class_faults(command.tax_class, tax_classes),
        *_date_faults(command.published_on),
    ]
    sku = command.sku or isbn13
    if command.isbn13 is None and command.sku is None:
        faults.append(FieldError(pointer="/isbn13", code="missing", detail="an edition needs an ISBN or a SKU"))
    if faults or sku is None:
        raise InvalidEdition("the edition is not valid", errors=tuple(faults))
    edition = Edition(
        edition_id=edition_id,
        version=1,
        sku=sku,
        isbn13=isbn13,
        title=command.title,
        contributors=_contributors(command.contributors),
        format=command.format,
        publisher=command.publisher,
        published_on=command.published_on,
        language=command.language,
        subjects=command.subjects,
        tax_class=command.tax_class,
        currency=currency,
        list_price_minor=command.list_price.amount_minor,
        popularity=command.popularity,
    )
    return edition, _fill(EditionCreated, edition)


def revise(
    edition: Edition, command: ReviseEdition, *, tax_classes: Mapping[str, int]
) -> tuple[Edition, EditionRevised | None]:
    """Change the facts that a merge patch names; no event where nothing differs.

    Raises:
        InvalidEdition: with every fault.
    """
    wanted = {name: _patched(edition, command, name) for name in _REVISABLE}
    changed = tuple(name for name in _REVISABLE if wanted[name] != getattr(edition, name))
    if not changed:
        return edition, None
    revised = msgspec.structs.replace(edition, version=edition.version + 1, **wanted)
    faults = [*tax_class_faults(revised.tax_class, tax_classes), *_date_faults(revised.published_on)]
    if faults:
        raise InvalidEdition("the revision is not valid", errors=tuple(faults))
    previous = {f"previous_{name}": getattr(edition, name) for name in ("title", "contributors")}
    return revised, _fill(EditionRevised, revised, changed=changed, **previous)


def price(edition: Edition, command: PriceEdition) -> tuple[Edition, EditionPriced | None]:
    """Set the list price; no event where it is the same.

    Raises:
        InvalidEdition: another currency than the store's.
    """
    faults = tuple(price_faults(command.list_price, edition.currency))
    if faults:
        raise InvalidEdition("the price is not valid", errors=faults)
    if command.list_price.amount_minor == edition.list_price_minor:
        return edition, None
    priced = msgspec.structs.replace(
        edition, version=edition.version + 1, list_price_minor=command.list_price.amount_minor
    )
    return priced, _fill(EditionPriced, priced, previous_price_minor=edition.list_price_minor)


def discontinue(edition: Edition, command: DiscontinueEdition, *, now: datetime) -> tuple[Edition, EditionDiscontinued]:
    """Stop selling it.

    Raises:
        EditionAlreadyDiscontinued: that was done before.
    """
    if edition.discontinued_at is not None:
        raise EditionAlreadyDiscontinued("the edition is discontinued already")
    ended = msgspec.structs.replace(edition, version=edition.version + 1, discontinued_at=now)
    return ended, EditionDiscontinued(edition_id=edition.edition_id, reason=command.reason)


def decided(edition: Edition) -> EditionDecided:
    """The edition as an answer shows it."""
    return EditionDecided(
        id=edition.edition_id,
        version=edition.version,
        sku=edition.sku,
        isbn13=edition.isbn13,
        title=edition.title,
        contributors=tuple(
            ContributorShown(name=contributor.name, role=contributor.role) for contributor in edition.contributors
        ),
        format=edition.format,
        publisher=edition.publisher,
        published_on=edition.published_on,
        language=edition.language,
        subjects=edition.subjects,
        tax_class=edition.tax_class,
        list_price=Money(amount_minor=edition.list_price_minor, currency=edition.currency),
        discontinued=edition.discontinued_at is not None,
    )


def price_faults(price: Money, currency: str, pointer: str = "/list_price") -> Iterator[FieldError]:
    """Another currency than the store's."""
    if price.currency != currency:
        detail = f"this store's currency is {currency}"
        yield FieldError(pointer=f"{pointer}/currency", code="currency_mismatch", detail=detail)


def tax_class_faults(tax_class: str, tax_classes: Mapping[str, int]) -> Iterator[FieldError]:
    """A tax class the store does not have."""
    if tax_class not in tax_classes:
        detail = f"this store's tax classes are {', '.join(sorted(tax_classes))}"
        yield FieldError(pointer="/tax_class", code="unknown_tax_class", detail=detail)


def _isbn_of(command: CreateEdition) -> tuple[str | None, list[FieldError]]:
    if command.isbn13 is None:
        return None, []
    try:
        return parse_isbn(command.isbn13), []
    except InvalidIsbn as error:
        detail = f"not an ISBN-13 or ISBN-10: {error.reason}"
        return None, [FieldError(pointer="/isbn13", code="invalid_isbn", detail=detail)]


def _date_faults(published_on: str | None) -> Iterator[FieldError]:
    """A full date that no calendar has; the shape was held against the pattern before."""
    if published_on is None or len(published_on) < _FULL_DATE_LENGTH:
        return
    year, month_and_day = int(published_on[:-_MONTH_AND_DAY]), published_on[-_MONTH_AND_DAY:]
    try:
        date.fromisoformat(f"{_CYCLE_BEGINS + year % _CALENDAR_CYCLE_YEARS}{month_and_day}")
    except ValueError:
        yield FieldError(pointer="/published_on", code="wrong_format", detail="there is no such day")


def _patched(edition: Edition, command: ReviseEdition, name: str) -> object:
    value = getattr(command, name)
    if value is UNSET:
        return getattr(edition, name)
    if value is None:
        return _REMOVED.get(name)
    return _contributors(value) if name == "contributors" else value


def _contributors(entries: tuple[ContributorEntry, ...]) -> tuple[Contributor, ...]:
    return tuple(Contributor(name=entry.name, role=entry.role) for entry in entries)


def _fill(kind: type[EventT], edition: Edition, **more: object) -> EventT:
    """An event whose fields are named as the edition's are, and what it has beside."""
    names = kind.__struct_fields__
    return kind(**{name: more[name] if name in more else getattr(edition, name) for name in names})
