"""A few figures over a period, beside the same over an earlier one."""

from datetime import date
from fractions import Fraction
from typing import Final, Generic, TypeVar

import msgspec

from read_side.kpis.view import VIEW
from read_side.query_execution import Answer, Snapshot
from shared_kernel.money import SignedMoney

ValueT = TypeVar("ValueT")

_SUMS: Final = f"""
SELECT {
    ", ".join(
        f"coalesce(sum(day_row.{name}), 0)::bigint AS {name}"
        for name in ("orders", "units", "net_minor", "returned_net_minor", "cost_minor")
    )
}
FROM unnest($3::date[], $4::date[]) WITH ORDINALITY AS period(from_date, to_date, number)
LEFT JOIN {VIEW.table.fullname} day_row
    ON day_row.tenant_id = $1 AND day_row.build = $2
    AND day_row.day >= period.from_date AND day_row.day < period.to_date
GROUP BY period.number ORDER BY period.number
"""  # noqa: S608 - constants of this module and the name of a Table


class Period(msgspec.Struct, frozen=True, kw_only=True, rename={"from_date": "from", "to_date": "to"}):
    """Days of the store's own calendar; `to` is exclusive."""

    from_date: date
    to_date: date


class Compared(msgspec.Struct, Generic[ValueT], frozen=True, kw_only=True):
    """A figure then and now. `delta_percent` has one decimal, and is null where there is nothing to compare with."""

    current: ValueT
    previous: ValueT
    delta_percent: float | None


class Kpis(msgspec.Struct, frozen=True, kw_only=True):
    """The store's figures: orders on the day they were placed, cancellations and returns on their own, as negatives.

    Attributes:
        period: what `current` is of.
        compared_with: what `previous` is of.
        revenue: net of tax, cancellations and returns.
        orders: placed less cancelled.
        units: copies ordered less those of cancelled orders; returns show in `refund_rate`.
        average_order_value: revenue per order, to the nearest minor unit, halves to even; null without orders.
        margin: revenue less cost by moving average.
        refund_rate: percent of the revenue before returns that came back, with one decimal; null without such revenue.
    """

    period: Period
    compared_with: Period
    revenue: Compared[SignedMoney]
    orders: Compared[int]
    units: Compared[int]
    average_order_value: Compared[SignedMoney | None]
    margin: Compared[SignedMoney]
    refund_rate: Compared[float | None]


class KpiQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Both periods, in absolute dates."""

    period: Period
    compared_with: Period
    currency: str


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of a period add up to."""

    orders: int
    units: int
    net_minor: int
    returned_net_minor: int
    cost_minor: int

    @property
    def margin_minor(self) -> int:
        """Net less cost."""
        return self.net_minor - self.cost_minor

    @property
    def average_minor(self) -> int | None:
        """Net per order."""
        return round(Fraction(self.net_minor, self.orders)) if self.orders > 0 else None

    @property
    def refund_percent(self) -> float | None:
        """Of the net before returns."""
        sold_minor = self.net_minor + self.returned_net_minor
        return round(100 * self.returned_net_minor / sold_minor, 1) if sold_minor > 0 else None


async def fetch_kpis(snapshot: Snapshot, query: KpiQuery) -> Answer:
    """The figures of both periods."""
    periods = (query.period, query.compared_with)
    records = await snapshot.rows(
        _SUMS, [period.from_date for period in periods], [period.to_date for period in periods]
    )
    current, previous = (Sums(**dict(record)) for record in records)
    return Answer(data=msgspec.json.encode(kpis_of(query, current, previous)))


def kpis_of(query: KpiQuery, current: Sums, previous: Sums) -> Kpis:
    """The figures, from the sums of both periods."""
    return Kpis(
        period=query.period,
        compared_with=query.compared_with,
        revenue=_amounts(current.net_minor, previous.net_minor, query.currency),
        orders=_compared(current.orders, previous.orders),
        units=_compared(current.units, previous.units),
        average_order_value=Compared(
            current=_money(current.average_minor, query.currency),
            previous=_money(previous.average_minor, query.currency),
            delta_percent=_delta_percent(current.average_minor, previous.average_minor),
        ),
        margin=_amounts(current.margin_minor, previous.margin_minor, query.currency),
        refund_rate=Compared(
            current=current.refund_percent,
            previous=previous.refund_percent,
            delta_percent=_delta_percent(current.refund_percent, previous.refund_percent),
        ),
    )


def _compared(current: int, previous: int) -> Compared[int]:
    return Compared(current=current, previous=previous, delta_percent=_delta_percent(current, previous))


def _amounts(current: int, previous: int, currency: str) -> Compared[SignedMoney]:
    return Compared(
        current=SignedMoney(amount_minor=current, currency=currency),
        previous=SignedMoney(amount_minor=previous, currency=currency),
        delta_percent=_delta_percent(current, previous),
    )


def _money(amount_minor: int | None, currency: str) -> SignedMoney | None:
    return None if amount_minor is None else SignedMoney(amount_minor=amount_minor, currency=currency)


def _delta_percent(current: float | None, previous: float | None) -> float | None:
    """How much more than before, in percent of before; below zero means less, also where before was below zero."""
    if current is None or not previous:
        return None
    return round(100 * (current - previous) / abs(previous), 1)
