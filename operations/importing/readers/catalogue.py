"""What every catalogue reader yields, whatever file it reads.

A reader is an `Iterator[CatalogueRow | RejectedRow]`: streaming, in constant memory, never raising on a bad row; every
row of the file comes out exactly once, as one or the other. A file that breaks off or stops making sense (damaged gzip,
malformed XML) ends with one `RejectedRow` that says where. Only a file that is not of the format at all raises:
`UnreadableFile`, at the first row asked for.

Two rows with the same ISBN are both yielded: which of them the store keeps is the write side's unique key to say, as it
must anyway when an import is repeated.
"""

import msgspec

from shared_kernel.events.catalog import Contributor
from shared_kernel.isbn import Isbn13


class CatalogueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One edition as its file describes it, within every bound that the write side knows.

    `line` is the row's first line in a text file (the header is line 1), the product's ordinal in XML. `sku` is set
    where the file has one of its own or where no ISBN could be recovered. `published_on` is a date of reduced precision
    (ISO 8601-2). `list_price_minor` and `currency` are both set or both None.
    """

    line: int
    source_id: str | None = None
    isbn13: Isbn13 | None
    sku: str | None
    title: str
    contributors: tuple[Contributor, ...]
    format: str
    publisher: str | None
    published_on: str | None
    language: str | None
    subjects: tuple[str, ...]
    list_price_minor: int | None
    currency: str | None
    popularity: int | None


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not taken. `reason` begins with a stable code; after a colon there may be more, in words."""

    line: int
    reason: str
    field: str | None = None


class UnreadableFile(ValueError):
    """The file is not of the format it was said to be; nothing of it was read."""


class FieldProblem(ValueError):
    """One field breaks one rule."""

    def __init__(self, reason: str, *, field: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.reason = reason
        self.field = field

    def rejected(self, line: int) -> RejectedRow:
        """The row of the report that says so."""
        return RejectedRow(line=line, reason=self.reason, field=self.field)
