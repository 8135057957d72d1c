"""What the benchmarks' stores sell."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.events.catalog import Contributor, EditionCreated

PRICE_MINOR = 1299
_encode = msgspec.json.Encoder().encode


def edition(edition_id: UUID) -> EditionCreated:
    """A paperback."""
    mark = edition_id.hex[-8:]
    return EditionCreated(
        edition_id=edition_id,
        sku=f"SKU-{mark}",
        isbn13=None,
        title=f"The Book of {mark}",
        contributors=(Contributor(name=f"Author {mark[-2:]}", role="author"),),
        format="paperback",
        publisher="Benchmark Press",
        published_on="2001",
        language="en",
        subjects=("fiction",),
        tax_class="zero",
        currency="GBP",
        list_price_minor=PRICE_MINOR,
        popularity=None,
    )


def edition_row(tenant_id: UUID, event: EditionCreated, at: datetime) -> tuple[object, ...]:
    """The same as the write side keeps it."""
    return (
        tenant_id,
        event.edition_id,
        1,
        event.sku,
        event.isbn13,
        event.title,
        _encode(event.contributors).decode(),
        event.format,
        event.publisher,
        event.published_on,
        event.language,
        _encode(event.subjects).decode(),
        event.tax_class,
        event.currency,
        event.list_price_minor,
        event.popularity,
        None,
        at,
    )
