"""The rules every field of a catalogue row keeps: over-long or unprintable text is refused, never cut.

White space is not a fact: runs of it (line breaks and tabs too) become one space. Every other control character is.
"""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from operations.importing.readers.catalogue import CatalogueRow, FieldProblem
from shared_kernel.events.catalog import Contributor
from shared_kernel.isbn import InvalidIsbn, Isbn13, parse_isbn
from shared_kernel.money import MAX_MINOR, minor_unit_exponent

FORMATS = ("hardback", "paperback", "ebook", "audio", "other")
ROLES = ("author", "editor", "translator", "illustrator", "narrator", "other")

MAX_TITLE_CHARACTERS = 500
MAX_NAME_CHARACTERS = 200
MAX_PUBLISHER_CHARACTERS = 200
MAX_LANGUAGE_CHARACTERS = 35
"""RFC 5646 advises readers of language tags to hold at least this many."""
MAX_SUBJECT_CHARACTERS = 100
MAX_CONTRIBUTORS = 50
MAX_SUBJECTS = 50

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SKU = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*", re.ASCII)
_DATE = re.compile(r"(-?)([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,12}", re.ASCII)
_LEAP_CYCLE_YEARS = 400


class ForeignRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as its file says it: text not yet checked, numbers already read."""

    line: int
    source_id: str | None = None
    isbn13: Isbn13 | None
    sku: str | None
    title: str
    contributors: Iterable[tuple[str, str]]
    format: str
    publisher: str = ""
    published_on: str = ""
    language: str = ""
    subjects: Iterable[str] = ()
    list_price_minor: int | None = None
    currency: str | None = None
    popularity: int | None = None


def checked(row: ForeignRow) -> CatalogueRow:
    """The row, if every field keeps its rule.

    Raises:
        FieldProblem: for the first field that does not.
    """
    if row.isbn13 is None and row.sku is None:
        raise FieldProblem("missing", field="isbn13")
    return CatalogueRow(
        line=row.line,
        source_id=row.source_id,
        isbn13=row.isbn13,
        sku=None if row.sku is None else sku(row.sku),
        title=_required(row.title, field="title", max_characters=MAX_TITLE_CHARACTERS),
        contributors=_contributors(row.contributors),
        format=_one_of(row.format, FORMATS, field="format"),
        publisher=text(row.publisher, field="publisher", max_characters=MAX_PUBLISHER_CHARACTERS),
        published_on=published_on(row.published_on),
        language=language(row.language),
        subjects=_subjects(row.subjects),
        list_price_minor=row.list_price_minor,
        currency=row.currency,
        popularity=row.popularity,
    )


def text(value: str, *, field: str, max_characters: int) -> str | None:
    """The text with its white space made plain, or None where nothing is left."""
    if _CONTROL.search(value):
        raise FieldProblem("control_character", field=field)
    plain = " ".join(value.split())
    if len(plain) > max_characters:
        raise FieldProblem(f"too_long: {len(plain)} characters, at most {max_characters}", field=field)
    return plain or None


def isbn13(value: str) -> Isbn13:
    """The ISBN-13, or the rule it breaks as a field's problem."""
    try:
        return parse_isbn(value)
    except InvalidIsbn as problem:
        raise FieldProblem(f"invalid_isbn_{problem.reason}", field="isbn13") from None


def sku(value: str) -> str:
    """A stock-keeping unit as stores write it: letters, digits, dot, underscore, hyphen."""
    if not _SKU.fullmatch(value):
        raise FieldProblem("invalid_sku", field="sku")
    return value


def published_on(value: str) -> str | None:
    """A date of reduced precision: `1813-01-28`, `1813-01`, `1813`, `-0750`.

    Source: ISO 8601-2 (EDTF level 0, and level 1 for negative years).
    """
    if not value:
        return None
    match = _DATE.fullmatch(value)
    if match is None or value.startswith("-0000"):
        raise FieldProblem("invalid_date", field="published_on")
    _, year, month, day = match.groups()
    try:
        # Leap years repeat every 400 years, so any year's calendar is that of a year the library can hold.
        dt.date(_LEAP_CYCLE_YEARS * 5 + int(year) % _LEAP_CYCLE_YEARS, int(month or 1), int(day or 1))
    except ValueError:
        raise FieldProblem("invalid_date", field="published_on") from None
    return value


def language(value: str) -> str | None:
    """A language tag in lower case, two- and three-letter codes as they come."""
    lowered = value.strip().lower()
    if not lowered:
        return None
    if len(lowered) > MAX_LANGUAGE_CHARACTERS or not _LANGUAGE.fullmatch(lowered):
        raise FieldProblem("invalid_language", field="language")
    return lowered


def price_minor(amount: str, *, code: str) -> int:
    """A decimal price in its currency's minor units, exactly.

    Raises:
        FieldProblem: where the code is none, the text no plain decimal, or it has more decimals than the currency.
    """
    if not _CURRENCY.fullmatch(code):
        raise FieldProblem("invalid_currency", field="currency")
    if not _DECIMAL.fullmatch(amount):
        raise FieldProblem("invalid_price", field="list_price")
    scaled = Decimal(amount).scaleb(minor_unit_exponent(code))
    if scaled != scaled.to_integral_value():
        raise FieldProblem("price_too_precise", field="list_price")
    if scaled > MAX_MINOR:
        raise FieldProblem("price_too_large", field="list_price")
    return int(scaled)


def popularity(value: str) -> int | None:
    """A count of readers, copies or ratings; only its order matters."""
    if not value:
        return None
    if not _COUNT.fullmatch(value):
        raise FieldProblem("invalid_number", field="popularity")
    return int(value)


def _required(value: str, *, field: str, max_characters: int) -> str:
    plain = text(value, field=field, max_characters=max_characters)
    if plain is None:
        raise FieldProblem("missing", field=field)
    return plain


def _one_of(value: str, allowed: tuple[str, ...], *, field: str) -> str:
    if value not in allowed:
        raise FieldProblem(f"unknown_{field}: one of {', '.join(allowed)}", field=field)
    return value


def _contributors(pairs: Iterable[tuple[str, str]]) -> tuple[Contributor, ...]:
    """In the file's order; who is named twice in one role is one contributor."""
    found: dict[tuple[str, str], Contributor] = {}
    for raw_name, raw_role in pairs:
        name = text(raw_name, field="contributors", max_characters=MAX_NAME_CHARACTERS)
        if name is not None:
            role = _one_of(raw_role, ROLES, field="contributors")
            found.setdefault((name, role), Contributor(name=name, role=role))
    if len(found) > MAX_CONTRIBUTORS:
        raise FieldProblem(f"too_many: {len(found)}, at most {MAX_CONTRIBUTORS}", field="contributors")
    return tuple(found.values())


def _subjects(values: Iterable[str]) -> tuple[str, ...]:
    found = {text(value, field="subjects", max_characters=MAX_SUBJECT_CHARACTERS): None for value in values}
    found.pop(None, None)
    if len(found) > MAX_SUBJECTS:
        raise FieldProblem(f"too_many: {len(found)}, at most {MAX_SUBJECTS}", field="subjects")
    return tuple(subject for subject in found if subject is not None)
