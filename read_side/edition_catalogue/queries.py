"""The catalogue as a list."""

from typing import Final

import msgspec

from read_side.edition_catalogue.view import VIEW, Contributor, Edition, EditionStatus
from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page
from shared_kernel.money import Money

EDITIONS: Final = ListSpecification(
    view=VIEW,
    columns=(
        "edition_id",
        "sku",
        "isbn13",
        "isbn10",
        "title",
        "contributors",
        "format",
        "publisher",
        "published_on",
        "language",
        "subjects",
        "currency",
        "list_price_minor",
        "tax_class",
        "status",
        "popularity",
        "version",
    ),
    sorts={
        "title": "title_order",
        "list_price": "list_price_minor",
        "popularity": "popularity",
        "published_on": "published_order",
    },
    default_sort="title",
    filters={
        "status": Filter(column="status", type=EditionStatus),
        "format": Filter(column="format"),
        "language": Filter(column="language"),
        "publisher": Filter(column="publisher"),
        "sku": Filter(column="sku"),
        "isbn13": Filter(column="isbn13"),
        "tax_class": Filter(column="tax_class"),
        "list_price": Filter(column="list_price_minor", operators=RANGE),
        "popularity": Filter(column="popularity", operators=RANGE),
    },
)
_contributors = msgspec.json.Decoder(tuple[Contributor, ...])
_subjects = msgspec.json.Decoder(tuple[str, ...])


async def edition_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of the catalogue."""
    return await list_page(snapshot, EDITIONS, query, item=_edition)


def _edition(record: Record) -> Edition:
    return Edition(
        id=record["edition_id"],
        sku=record["sku"],
        isbn13=record["isbn13"],
        isbn10=record["isbn10"],
        title=record["title"],
        contributors=_contributors.decode(record["contributors"]),
        format=record["format"],
        publisher=record["publisher"],
        published_on=record["published_on"],
        language=record["language"],
        subjects=_subjects.decode(record["subjects"]),
        list_price=Money(amount_minor=record["list_price_minor"], currency=record["currency"]),
        tax_class=record["tax_class"],
        status=record["status"],
        popularity=record["popularity"],
        version=record["version"],
    )
