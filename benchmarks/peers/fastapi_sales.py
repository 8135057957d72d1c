"""The peer's dashboard: the figures of ShelfWise's `GET /sales?by=day`, added up when asked for, sent as gzip."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel
from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.sql.elements import Cast
from starlette.middleware.gzip import GZipMiddleware

from benchmarks.peers.tables import CURRENCY, Line, Money, Order, ReturnLine, Session

_NOTHING_SOLD = (0, 0, 0, 0, 0, 0)
_NOTHING_RETURNED = (0, 0, 0, 0, 0)
_SUMS = ("net_minor", "tax_minor", "discount_minor", "cost_minor")


class Day(BaseModel):
    """A day's sales: orders count when they are placed, returns when they come back."""

    bucket: date
    orders: int
    units: int
    returned_units: int
    net: Money
    tax: Money
    discounts: Money
    cost: Money


app = FastAPI()
# Of this application alone, so that nothing else waits for it; level and least size are FastAPI's own example.
app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)


@app.get("/days")
async def days(
    session: Session,
    from_date: Annotated[date, Query(alias="from")],
    to_date: Annotated[date, Query(alias="to")],
) -> list[Day]:
    """Sales by the store's own day; `to` is exclusive. Two statements."""
    sold = (
        select(
            Order.placed_on,
            func.count(Order.id.distinct()),
            func.sum(Line.quantity),
            *_sums_of(Line),
        )
        .join(Line)
        .where(Order.placed_on >= from_date, Order.placed_on < to_date)
        .group_by(Order.placed_on)
    )
    returned = (
        select(
            ReturnLine.returned_on,
            func.sum(ReturnLine.quantity),
            *_sums_of(ReturnLine),
        )
        .where(ReturnLine.returned_on >= from_date, ReturnLine.returned_on < to_date)
        .group_by(ReturnLine.returned_on)
    )
    sold_on = {day: figures for day, *figures in await session.execute(sold)}
    returned_on = {day: figures for day, *figures in await session.execute(returned)}
    return [
        _day(day, sold_on.get(day, _NOTHING_SOLD), returned_on.get(day, _NOTHING_RETURNED))
        for day in sorted(sold_on.keys() | returned_on.keys())
    ]


def _sums_of(lines: type[Line | ReturnLine]) -> list[Cast[int]]:
    """As integers: PostgreSQL adds them up as decimal numbers, which Python is slow to read."""
    return [cast(func.sum(getattr(lines, name)), BigInteger) for name in _SUMS]


def _day(day: date, sold: Sequence[int], returned: Sequence[int]) -> Day:
    orders, units, *sums = sold
    returned_units, *returned_sums = returned
    net, tax, discounts, cost = (
        Money(amount_minor=of_orders - of_returns, currency=CURRENCY)
        for of_orders, of_returns in zip(sums, returned_sums, strict=True)
    )
    return Day(
        bucket=day,
        orders=orders,
        units=units,
        returned_units=returned_units,
        net=net,
        tax=tax,
        discounts=discounts,
        cost=cost,
    )
