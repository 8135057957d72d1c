"""Intents about editions, and what they answer."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from shared_kernel.money import Money

# No NUL, which PostgreSQL does not store, and something to see.
_VISIBLE = r"^[^\x00]*[^\x00\s][^\x00]*$"
# The end of the text in the contract's dialect as in Python's, whose `$` also stands before a last line feed.
_END = r"$(?!\n)"

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=_VISIBLE)]
Format = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=_VISIBLE, description="such as `paperback`")]
Publisher = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=_VISIBLE)]
PublishedOn = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(?!-0000)-?[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?" + _END,
        description="A date, a month or a year (ISO 8601): `1813-01-28`, `1813-01`, `1813`, `-0750`",
    ),
]
Language = Annotated[str, msgspec.Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*" + _END)]
Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=_VISIBLE)]
Subjects = Annotated[tuple[Subject, ...], msgspec.Meta(max_length=100)]
TaxClass = Annotated[str, msgspec.Meta(min_length=1, max_length=40, description="One of the store's tax classes")]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[!-~]([ -~]*[!-~])?" + _END)]
IsbnText = Annotated[
    str, msgspec.Meta(min_length=1, max_length=40, description="ISBN-13 or ISBN-10, with or without hyphens")
]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=_VISIBLE)]
ContributorRole: TypeAlias = Literal["author", "editor", "translator", "illustrator", "narrator", "other"]

DEFAULT_TAX_CLASS = "zero"


class ContributorEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who made the book, and as what."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=_VISIBLE)]
    role: ContributorRole


Contributors = Annotated[tuple[ContributorEntry, ...], msgspec.Meta(max_length=200)]


class CreateEdition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begin to sell an edition. It needs an ISBN or a SKU; the SKU is the ISBN-13 unless given."""

    title: Title
    contributors: Contributors
    format: Format
    list_price: Money
    isbn13: IsbnText | None = None
    sku: Sku | None = None
    publisher: Publisher | None = None
    published_on: PublishedOn | None = None
    language: Language | None = None
    subjects: Subjects = ()
    tax_class: TaxClass = DEFAULT_TAX_CLASS
    popularity: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


class ReviseEdition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of an edition's facts: absent fields stay, null removes (RFC 7396)."""

    title: Title | UnsetType = UNSET
    contributors: Contributors | UnsetType | None = UNSET
    format: Format | UnsetType = UNSET
    publisher: Publisher | UnsetType | None = UNSET
    published_on: PublishedOn | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET
    subjects: Subjects | UnsetType | None = UNSET
    tax_class: TaxClass | UnsetType | None = UNSET


class PriceEdition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set the list price."""

    list_price: Money


class DiscontinueEdition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop selling the edition; stock and history stay."""

    reason: Reason


class ContributorShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the book, and as what, in an answer."""

    name: str
    role: str


class EditionDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The edition as the command left it."""

    id: UUID
    version: int
    sku: str
    isbn13: str | None
    title: str
    contributors: tuple[ContributorShown, ...]
    format: str
    publisher: str | None
    published_on: str | None
    language: str | None
    subjects: tuple[str, ...]
    tax_class: str
    list_price: Money
    discontinued: bool
