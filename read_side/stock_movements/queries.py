"""Stock movements as a list, the latest first."""

from enum import StrEnum
from typing import Final

from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page
from read_side.stock_movements.view import VIEW, StockMovement


class MovementKind(StrEnum):
    """What moves stock."""

    RECEIPT = "receipt"
    ADJUSTMENT = "adjustment"
    COUNT = "count"
    TRANSFER = "transfer"
    RESERVATION = "reservation"
    RELEASE = "release"
    SHIPMENT = "shipment"
    RETURN = "return"
    WRITE_OFF = "write_off"
    HOLD = "hold"
    HOLD_RELEASE = "hold_release"


MOVEMENTS: Final = ListSpecification(
    view=VIEW,
    columns=StockMovement.__struct_fields__,
    sorts={"at": "at"},
    default_sort="-at",
    filters={
        "edition_id": Filter(column="edition_id"),
        "location_id": Filter(column="location_id"),
        "kind": Filter(column="kind", type=MovementKind),
        "reference_id": Filter(column="reference_id"),
        "at": Filter(column="at", operators=RANGE),
    },
)


async def movement_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of movements."""
    return await list_page(snapshot, MOVEMENTS, query, item=_movement)


def _movement(record: Record) -> StockMovement:
    return StockMovement(**{name: record[name] for name in StockMovement.__struct_fields__})
