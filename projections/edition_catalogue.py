"""The fold of `edition_catalogue`."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never, cast, get_args

import msgspec

from projections.fold import AnyRecorded, Part, Projection
from read_side.edition_catalogue.view import (
    ACTIVE,
    DISCONTINUED,
    VIEW,
    Contributor,
    EditionRow,
    published_order,
    title_order,
)
from shared_kernel.events import catalog
from shared_kernel.events.catalog import EditionCreated, EditionDiscontinued, EditionPriced, EditionRevised
from shared_kernel.isbn import Isbn13, isbn10_of
from shared_kernel.views import Key

EditionEvent: TypeAlias = EditionCreated | EditionRevised | EditionPriced | EditionDiscontinued


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The edition's own row."""
    event = cast("EditionEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.edition_id,), event)]


def evolve(row: EditionRow | None, event: EditionEvent, recorded: AnyRecorded) -> EditionRow | None:
    """The edition after the event; what changes an edition nobody created stays without a row."""
    version = recorded.stream_version
    match event:
        case EditionCreated():
            return _created(event, version=version)
        case _ if row is None:
            return None
        case EditionRevised():
            return _revised(row, event, version=version)
        case EditionPriced():
            return msgspec.structs.replace(
                row, currency=event.currency, list_price_minor=event.list_price_minor, version=version
            )
        case EditionDiscontinued():
            return msgspec.structs.replace(row, status=DISCONTINUED, version=version)
        case _:
            assert_never(event)


def _created(event: EditionCreated, *, version: int) -> EditionRow:
    return EditionRow(
        edition_id=event.edition_id,
        sku=event.sku,
        isbn13=event.isbn13,
        isbn10=None if event.isbn13 is None else isbn10_of(Isbn13(event.isbn13)),
        title=event.title,
        title_order=title_order(event.title),
        contributors=_contributors(event.contributors),
        format=event.format,
        publisher=event.publisher,
        published_on=event.published_on,
        published_order=published_order(event.published_on),
        language=event.language,
        subjects=event.subjects,
        currency=event.currency,
        list_price_minor=event.list_price_minor,
        tax_class=event.tax_class,
        status=ACTIVE,
        popularity=event.popularity or 0,
        version=version,
    )


def _revised(row: EditionRow, event: EditionRevised, *, version: int) -> EditionRow:
    return msgspec.structs.replace(
        row,
        title=event.title,
        title_order=title_order(event.title),
        contributors=_contributors(event.contributors),
        format=event.format,
        publisher=event.publisher,
        published_on=event.published_on,
        published_order=published_order(event.published_on),
        language=event.language,
        subjects=event.subjects,
        tax_class=event.tax_class,
        version=version,
    )


def _contributors(contributors: tuple[catalog.Contributor, ...]) -> tuple[Contributor, ...]:
    return tuple(Contributor(name=contributor.name, role=contributor.role) for contributor in contributors)


PROJECTION = Projection(view=VIEW, handles=frozenset(get_args(EditionEvent)), touches=touches, evolve=evolve)
