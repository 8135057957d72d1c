"""Stock as a list, what is running out, and what it is worth."""

from typing import Annotated, Final

import msgspec

from read_side.query_execution import (
    RANGE,
    Answer,
    Condition,
    Filter,
    ListQuery,
    ListSpecification,
    Record,
    Snapshot,
    list_page,
)
from read_side.stock_levels.view import ACTIVE, VIEW, LocationEntry, SaleStatus, Stock, location_stock
from shared_kernel.money import Money

DEFAULT_LOW_THRESHOLD: Final = 3
_MAX_THRESHOLD: Final = 1_000_000

STOCK: Final = ListSpecification(
    view=VIEW,
    columns=("edition_id", "sku", "title", "status", "on_hand", "reserved", "available", "locations"),
    sorts={"title": "title_order", "available": "available", "on_hand": "on_hand"},
    default_sort="title",
    filters={
        "status": Filter(column="status", type=SaleStatus),
        "sku": Filter(column="sku"),
        "available": Filter(column="available", operators=RANGE),
        "on_hand": Filter(column="on_hand", operators=RANGE),
        "reserved": Filter(column="reserved", operators=RANGE),
    },
)
LOW: Final = msgspec.structs.replace(STOCK, default_sort="available", counted=False)
_VALUATION: Final = f"""
SELECT count(*) FILTER (WHERE on_hand > 0) AS editions, coalesce(sum(on_hand), 0) AS units,
    coalesce(sum(value_minor), 0) AS value_minor
FROM {VIEW.table.schema}.{VIEW.table.name} WHERE tenant_id = $1 AND build = $2
"""  # noqa: S608 - the name of a Table
_locations = msgspec.json.Decoder(tuple[LocationEntry, ...])


class LowParameters(msgspec.Struct, frozen=True, kw_only=True):
    """From how many copies that can be sold on, downwards, an edition is running out."""

    threshold: Annotated[int, msgspec.Meta(ge=0, le=_MAX_THRESHOLD)] = DEFAULT_LOW_THRESHOLD


class LowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is running out."""

    page: ListQuery
    threshold: int


class ValuationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """All of the store's stock, in the store's currency."""

    currency: str


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """How many editions and copies are on hand, and what they cost by moving average."""

    editions: int
    units: int
    value: Money


async def stock_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of all editions' stock."""
    return await list_page(snapshot, STOCK, query, item=_stock)


async def low_page(snapshot: Snapshot, query: LowQuery) -> Answer:
    """A page of the editions still for sale of which no more than the threshold can be sold."""
    also = (
        Condition(field="available", operator="lte", value=query.threshold),
        Condition(field="status", operator="eq", value=ACTIVE),
    )
    return await list_page(snapshot, LOW, query.page, item=_stock, also=also)


async def stock_valuation(snapshot: Snapshot, query: ValuationQuery) -> Answer:
    """The sums over all editions."""
    record = await snapshot.row(_VALUATION)
    assert record is not None  # an aggregate without GROUP BY has one row
    value = Money(amount_minor=int(record["value_minor"]), currency=query.currency)
    valuation = Valuation(editions=record["editions"], units=int(record["units"]), value=value)
    return Answer(data=msgspec.json.encode(valuation))


def _stock(record: Record) -> Stock:
    return Stock(
        edition_id=record["edition_id"],
        sku=record["sku"],
        title=record["title"],
        status=record["status"],
        on_hand=record["on_hand"],
        reserved=record["reserved"],
        available=record["available"],
        locations=tuple(location_stock(entry) for entry in _locations.decode(record["locations"])),
    )
