"""Stream `edition` (id: the edition's)."""

from uuid import UUID

import msgspec

from shared_kernel.events.envelope import Event


class Contributor(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the book, and as what: `author`, `editor`, `translator`, `illustrator`, `narrator`, `other`."""

    name: str
    role: str


class EditionCreated(Event, frozen=True, kw_only=True):
    """The store sells this edition. Version 1 had `authors: [name]` in place of `contributors`.

    `published_on` is a date of reduced precision (ISO 8601-2: `1813-01-28`, `1813-01`, `1813`, `-0750`).
    """

    stream_type = "edition"
    schema_version = 2

    edition_id: UUID
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
    popularity: int | None


class EditionRevised(Event, frozen=True, kw_only=True):
    """Bibliographic facts changed: all of them as they stand now, and the names of those that differ.

    Title and contributors also as they stood before: a search index must know which of its terms no longer lead here.
    """

    stream_type = "edition"

    edition_id: UUID
    title: str
    contributors: tuple[Contributor, ...]
    format: str
    publisher: str | None
    published_on: str | None
    language: str | None
    subjects: tuple[str, ...]
    tax_class: str
    changed: tuple[str, ...]
    previous_title: str
    previous_contributors: tuple[Contributor, ...]


class EditionPriced(Event, frozen=True, kw_only=True):
    """The list price is now this."""

    stream_type = "edition"

    edition_id: UUID
    currency: str
    list_price_minor: int
    previous_price_minor: int


class EditionDiscontinued(Event, frozen=True, kw_only=True):
    """No longer for sale; stock and history stay."""

    stream_type = "edition"

    edition_id: UUID
    reason: str
