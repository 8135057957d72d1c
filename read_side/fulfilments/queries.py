"""Fulfilments as a list, the latest first."""

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.fulfilments.view import VIEW, LeftLine
from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page

Method: TypeAlias = Literal["shipping", "collection"]


class FulfilmentItem(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of one order that left together. `item_count` is of copies."""

    id: UUID
    order_id: UUID
    order_number: str | None
    at: datetime
    location_id: UUID | None
    method: Method | None
    item_count: int
    lines: tuple[LeftLine, ...]


FULFILMENTS: Final = ListSpecification(
    view=VIEW,
    columns=("fulfilment_id", "order_id", "order_number", "at", "location_id", "method", "item_count", "lines"),
    sorts={"at": "at"},
    default_sort="-at",
    filters={
        "order_id": Filter(column="order_id"),
        "location_id": Filter(column="location_id"),
        "method": Filter(column="method", type=Method),
        "at": Filter(column="at", operators=RANGE),
    },
)
_lines = msgspec.json.Decoder(tuple[LeftLine, ...])


async def fulfilment_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of fulfilments."""
    return await list_page(snapshot, FULFILMENTS, query, item=_item)


def _item(record: Record) -> FulfilmentItem:
    return FulfilmentItem(
        id=record["fulfilment_id"],
        order_id=record["order_id"],
        order_number=record["order_number"],
        at=record["at"],
        location_id=record["location_id"],
        method=record["method"],
        item_count=record["item_count"],
        lines=_lines.decode(record["lines"]),
    )
