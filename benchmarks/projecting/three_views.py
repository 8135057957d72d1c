"""Order list, daily sales and best sellers as ShelfWise projections: just what the hand-written projector keeps."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Integer, Text, Uuid

from projections.fold import AnyRecorded, Projection, Sums
from shared_kernel.events.orders import OrderedLine, OrderFulfilled, OrderPlaced
from shared_kernel.views import Key, View, view_table

_encode = msgspec.json.Encoder().encode


class ListedOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order in the list."""

    order_id: UUID
    number: str
    placed_at: datetime
    status: str
    item_count: int
    total_minor: int


class DaySales(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A day's sums."""

    day: str
    orders: int
    units: int
    net_minor: int


class Seller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A title's sums."""

    edition_id: UUID
    title: str
    units: int
    net_minor: int


def _order_touches(recorded: AnyRecorded) -> Iterable[tuple[Key, None]]:
    event = recorded.event
    assert isinstance(event, OrderPlaced | OrderFulfilled)
    yield (event.order_id,), None


def _order(row: ListedOrder | None, _part: None, recorded: AnyRecorded) -> ListedOrder | None:
    event = recorded.event
    if isinstance(event, OrderPlaced):
        return ListedOrder(
            order_id=event.order_id,
            number=event.number,
            placed_at=recorded.occurred_at,
            status=event.status,
            item_count=event.item_count,
            total_minor=event.total_minor,
        )
    assert row is not None
    assert isinstance(event, OrderFulfilled)
    return msgspec.structs.replace(row, status=event.status)


def _day_touches(recorded: AnyRecorded) -> Iterator[tuple[Key, OrderPlaced]]:
    event = recorded.event
    assert isinstance(event, OrderPlaced)
    yield (recorded.metadata.store_time.date.isoformat(),), event


def _day(row: DaySales | None, part: OrderPlaced, recorded: AnyRecorded) -> DaySales:
    day = recorded.metadata.store_time.date.isoformat() if row is None else row.day
    return DaySales(
        day=day,
        orders=1 + (row.orders if row else 0),
        units=part.item_count + (row.units if row else 0),
        net_minor=part.net_minor + (row.net_minor if row else 0),
    )


def _seller_touches(recorded: AnyRecorded) -> Iterator[tuple[Key, OrderedLine]]:
    event = recorded.event
    assert isinstance(event, OrderPlaced)
    for line in event.lines:
        yield (line.edition_id,), line


def _seller(row: Seller | None, part: OrderedLine, _recorded: AnyRecorded) -> Seller:
    return Seller(
        edition_id=part.edition_id,
        title=part.title,
        units=part.quantity + (row.units if row else 0),
        net_minor=part.net_minor + (row.net_minor if row else 0),
    )


ORDERS = Projection(
    view=View(
        name="bench_orders",
        version=1,
        row=ListedOrder,
        key=("order_id",),
        body=_encode,
        table=view_table(
            "bench_orders",
            1,
            Column("order_id", Uuid, primary_key=True),
            Column("number", Text, nullable=False),
            Column("placed_at", DateTime(timezone=True), nullable=False),
            Column("status", Text, nullable=False),
            Column("item_count", Integer, nullable=False),
            Column("total_minor", BigInteger, nullable=False),
        ),
    ),
    handles=frozenset({OrderPlaced, OrderFulfilled}),
    touches=_order_touches,
    evolve=_order,
)
DAYS = Projection(
    view=View(
        name="bench_days",
        version=1,
        row=DaySales,
        key=("day",),
        table=view_table(
            "bench_days",
            1,
            Column("day", Text, primary_key=True),
            Column("orders", BigInteger, nullable=False),
            Column("units", BigInteger, nullable=False),
            Column("net_minor", BigInteger, nullable=False),
        ),
    ),
    handles=frozenset({OrderPlaced}),
    touches=_day_touches,
    evolve=_day,
    sums=Sums(added=("orders", "units", "net_minor")),
)
SELLERS = Projection(
    view=View(
        name="bench_sellers",
        version=1,
        row=Seller,
        key=("edition_id",),
        table=view_table(
            "bench_sellers",
            1,
            Column("edition_id", Uuid, primary_key=True),
            Column("title", Text, nullable=False),
            Column("units", BigInteger, nullable=False),
            Column("net_minor", BigInteger, nullable=False),
        ),
    ),
    handles=frozenset({OrderPlaced}),
    touches=_seller_touches,
    evolve=_seller,
    sums=Sums(added=("units", "net_minor"), latest=("title",)),
)
# Any: rows of every view, side by side.
THREE_VIEWS: tuple[Projection[Any], ...] = (ORDERS, DAYS, SELLERS)
