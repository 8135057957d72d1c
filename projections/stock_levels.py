"""The fold of `stock_levels`: events carry what stands after them, so projecting is assigning."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never, cast, get_args
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Part, Projection
from read_side.edition_catalogue.view import title_order
from read_side.stock_levels.view import ACTIVE, DISCONTINUED, VIEW, LocationEntry, StockRow
from shared_kernel.events.catalog import EditionCreated, EditionDiscontinued, EditionRevised
from shared_kernel.events.inventory import (
    StockAdjusted,
    StockCounted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSetAside,
    StockSetFree,
    StockShipped,
    StockTransferred,
    StockWrittenOff,
)
from shared_kernel.views import Key

StockChange: TypeAlias = (
    StockReceived
    | StockAdjusted
    | StockCounted
    | StockTransferred
    | StockReserved
    | StockReleased
    | StockShipped
    | StockReturned
    | StockWrittenOff
    | StockSetAside
    | StockSetFree
)
LevelEvent: TypeAlias = EditionCreated | EditionRevised | EditionDiscontinued | StockChange


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The edition's row."""
    event = cast("LevelEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.edition_id,), event)]


def evolve(row: StockRow | None, event: LevelEvent, _recorded: AnyRecorded) -> StockRow:
    """The edition's stock after the event; stock of an edition unknown here counts all the same."""
    row = _no_stock(event.edition_id) if row is None else row
    match event:
        case EditionCreated():
            return msgspec.structs.replace(
                row, sku=event.sku, title=event.title, title_order=title_order(event.title), status=ACTIVE
            )
        case EditionRevised():
            return msgspec.structs.replace(row, title=event.title, title_order=title_order(event.title))
        case EditionDiscontinued():
            return msgspec.structs.replace(row, status=DISCONTINUED)
        case (
            StockReceived()
            | StockAdjusted()
            | StockCounted()
            | StockTransferred()
            | StockReserved()
            | StockReleased()
            | StockShipped()
            | StockReturned()
            | StockWrittenOff()
            | StockSetAside()
            | StockSetFree()
        ):
            return _with_location(row, event)
        case _:
            assert_never(event)


def _no_stock(edition_id: UUID) -> StockRow:
    return StockRow(
        edition_id=edition_id,
        sku=None,
        title=None,
        title_order="",
        status=ACTIVE,
        on_hand=0,
        reserved=0,
        available=0,
        value_minor=0,
        locations=(),
    )


def _with_location(row: StockRow, event: StockChange) -> StockRow:
    entry = LocationEntry(
        location_id=event.location_id, on_hand=event.on_hand, reserved=event.reserved, value_minor=event.value_minor
    )
    others = (other for other in row.locations if other.location_id != event.location_id)
    locations = tuple(sorted((*others, entry), key=lambda each: each.location_id))
    on_hand = sum(each.on_hand for each in locations)
    reserved = sum(each.reserved for each in locations)
    return msgspec.structs.replace(
        row,
        on_hand=on_hand,
        reserved=reserved,
        available=on_hand - reserved,
        value_minor=sum(each.value_minor for each in locations),
        locations=locations,
    )


PROJECTION = Projection(view=VIEW, handles=frozenset(get_args(LevelEvent)), touches=touches, evolve=evolve)
