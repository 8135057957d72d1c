"""ISBNs: every printed form at the door, one 13-digit form inside.

The arithmetic is python-stdnum's; what is decided here is which forms we take and how a refusal is named.
Source: ISO 2108; 979-0 belongs to printed music (ISO 10957), so it is no ISBN.
"""

import re
from typing import Literal, NewType

from stdnum import isbn
from stdnum.exceptions import InvalidComponent, ValidationError
from stdnum.util import clean

Isbn13 = NewType("Isbn13", str)
"""Thirteen digits, 978 or 979 first, the check digit right. Made by `parse_isbn` only."""

InvalidIsbnReason = Literal["length", "characters", "check_digit", "prefix"]

MAX_PRINTED_CHARACTERS = 40
"""Thirteen digits, their separators and a label fit easily; what is longer is not looked at."""

_LABEL = re.compile(r"^\s*ISBN(?:[- ]?1[03](?=[:\s]))?[-:\s]*", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]*[0-9X]", re.ASCII)
_LENGTHS = (10, 13)
_MUSIC_PREFIX = "9790"
_CONVERTIBLE_PREFIX = "978"


class InvalidIsbn(ValueError):
    """The text is not an ISBN; `reason` is stable and may be shown to a client."""

    def __init__(self, reason: InvalidIsbnReason) -> None:
        super().__init__(f"not an ISBN: {reason}")
        self.reason: InvalidIsbnReason = reason


def parse_isbn(text: str) -> Isbn13:
    """The ISBN-13 that a printed ISBN-10 or ISBN-13 stands for.

    Args:
        text: with or without hyphens, spaces and the word ISBN; nine-digit SBNs are refused, since a lost digit looks
            the same.

    Raises:
        InvalidIsbn: with the first reason found, in the order length, characters, check digit, prefix.
    """
    if len(text) > MAX_PRINTED_CHARACTERS:
        raise InvalidIsbn("length")
    compact = clean(_LABEL.sub("", text), " -").strip().upper()
    if len(compact) not in _LENGTHS:
        raise InvalidIsbn("length")
    if not _DIGITS.fullmatch(compact) or (compact.endswith("X") and len(compact) == _LENGTHS[1]):
        raise InvalidIsbn("characters")
    try:
        isbn13 = isbn.validate(compact, convert=True)
    except InvalidComponent:
        raise InvalidIsbn("prefix") from None
    except ValidationError:
        raise InvalidIsbn("check_digit") from None
    if isbn13.startswith(_MUSIC_PREFIX):
        raise InvalidIsbn("prefix")
    return Isbn13(isbn13)


def isbn10_of(isbn13: Isbn13) -> str | None:
    """The ISBN-10 of the same book, or None: 979 has none."""
    if not isbn13.startswith(_CONVERTIBLE_PREFIX):
        return None
    return isbn.to_isbn10(isbn13)
