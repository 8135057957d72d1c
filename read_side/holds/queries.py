"""Holds as a list, the longest waiting first."""

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.holds.view import VIEW
from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page

Kind: TypeAlias = Literal["hold", "special_order"]
Status: TypeAlias = Literal["waiting", "ready", "collected", "cancelled", "expired"]


class HoldItem(msgspec.Struct, frozen=True, kw_only=True):
    """A hold in a list; `version` is what `If-Match` takes."""

    id: UUID
    version: int
    kind: Kind
    status: Status
    location_id: UUID
    edition_id: UUID
    quantity: int
    allocated: int
    placed_at: datetime
    order_id: UUID | None
    expires_at: datetime | None


HOLDS: Final = ListSpecification(
    view=VIEW,
    columns=(
        "hold_id",
        "hold_version",
        "kind",
        "status",
        "location_id",
        "edition_id",
        "quantity",
        "allocated",
        "placed_at",
        "order_id",
        "expires_at",
    ),
    sorts={"placed_at": "placed_at"},
    default_sort="placed_at",
    filters={
        "kind": Filter(column="kind", type=Kind),
        "status": Filter(column="status", type=Status),
        "location_id": Filter(column="location_id"),
        "edition_id": Filter(column="edition_id"),
        "placed_at": Filter(column="placed_at", operators=RANGE),
    },
)


async def hold_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of holds."""
    return await list_page(snapshot, HOLDS, query, item=_item)


def _item(record: Record) -> HoldItem:
    return HoldItem(
        id=record["hold_id"],
        version=record["hold_version"],
        kind=record["kind"],
        status=record["status"],
        location_id=record["location_id"],
        edition_id=record["edition_id"],
        quantity=record["quantity"],
        allocated=record["allocated"],
        placed_at=record["placed_at"],
        order_id=record["order_id"],
        expires_at=record["expires_at"],
    )
