"""Events of a catalogue and its stock, with a plausible value wherever a test does not care."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from shared_kernel.events.catalog import (
    Contributor,
    EditionCreated,
    EditionDiscontinued,
    EditionPriced,
    EditionRevised,
)
from shared_kernel.events.envelope import Event, Metadata, Recorded, StoreTime
from shared_kernel.events.inventory import StockReceived

TENANT_ID = UUID(int=1)
EDITION_ID = UUID(int=2)
SHOP_ID = UUID(int=3)
WAREHOUSE_ID = UUID(int=4)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
METADATA = Metadata(actor="clerk-7", store_time=StoreTime(date=date(2026, 3, 1), hour=12, utc_offset_minutes=0))


# Any in this module: overrides go to a struct's constructor, which checks nothing; mypy checks the defaults.
def recorded(event: Event, *, position: int = 1, stream_version: int = 1, **overrides: Any) -> Recorded[Event]:  # noqa: ANN401
    """The event at a place of a tenant's log."""
    values: dict[str, Any] = {
        "tenant_id": TENANT_ID,
        "position": position,
        "event_id": UUID(int=(9 << 64) + position),
        "stream_id": EDITION_ID,
        "stream_version": stream_version,
        "event": event,
        "metadata": METADATA,
        "occurred_at": NOON,
        "recorded_at": NOON,
    }
    return Recorded(**values | overrides)


def log_of(*events: Event) -> list[Recorded[Event]]:
    """The events in log order, each the next of one stream."""
    return [recorded(event, position=number, stream_version=number) for number, event in enumerate(events, 1)]


def authors(*names: str) -> tuple[Contributor, ...]:
    """People who wrote the book."""
    return tuple(Contributor(name=name, role="author") for name in names)


def edition_created(**overrides: Any) -> EditionCreated:  # noqa: ANN401
    """Pride and Prejudice, unless told otherwise."""
    values: dict[str, Any] = {
        "edition_id": EDITION_ID,
        "sku": "AUS-001",
        "isbn13": "9780141439518",
        "title": "Pride and Prejudice",
        "contributors": authors("Jane Austen"),
        "format": "paperback",
        "publisher": "Penguin",
        "published_on": "1813-01-28",
        "language": "eng",
        "subjects": ("fiction",),
        "tax_class": "zero",
        "currency": "GBP",
        "list_price_minor": 799,
        "popularity": 100,
    }
    return EditionCreated(**values | overrides)


def edition_revised(before: EditionCreated | EditionRevised, **overrides: Any) -> EditionRevised:  # noqa: ANN401
    """The edition with some facts changed."""
    names = (
        "edition_id",
        "title",
        "contributors",
        "format",
        "publisher",
        "published_on",
        "language",
        "subjects",
        "tax_class",
    )
    values = {name: getattr(before, name) for name in names} | overrides
    return EditionRevised(
        **values,
        changed=tuple(overrides),
        previous_title=before.title,
        previous_contributors=before.contributors,
    )


def edition_priced(list_price_minor: int, *, edition_id: UUID = EDITION_ID) -> EditionPriced:
    """The edition at another price."""
    return EditionPriced(
        edition_id=edition_id, currency="GBP", list_price_minor=list_price_minor, previous_price_minor=799
    )


def edition_discontinued(*, edition_id: UUID = EDITION_ID) -> EditionDiscontinued:
    """The edition, no longer for sale."""
    return EditionDiscontinued(edition_id=edition_id, reason="out of print")


def stock_received(**overrides: Any) -> StockReceived:  # noqa: ANN401
    """Five copies in the shop, unless told otherwise."""
    values: dict[str, Any] = {
        "location_id": SHOP_ID,
        "edition_id": EDITION_ID,
        "delta": 5,
        "reserved_delta": 0,
        "on_hand": 5,
        "reserved": 0,
        "value_minor": 2000,
        "receipt_id": UUID(int=11),
        "unit_cost_minor": 400,
    }
    return StockReceived(**values | overrides)
