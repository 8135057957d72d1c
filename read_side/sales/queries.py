"""Sums of sales over a range of the store's own days: by time, or by what was sold, by whom, where and how."""

from datetime import date
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from read_side.query_execution import Answer, Record, Snapshot, encode_cursor
from read_side.sales.view import VIEW
from shared_kernel.money import SignedMoney

ByTime: TypeAlias = Literal["hour", "day", "week", "month"]
ByDimension: TypeAlias = Literal["title", "author", "publisher", "location", "channel"]

_FIGURES: Final = (
    "orders",
    "units",
    "returned_units",
    "net_minor",
    "tax_minor",
    "discount_minor",
    "cost_minor",
)
_SUMS: Final = ", ".join(f"sum({name})::bigint AS {name}" for name in _FIGURES)
_BUCKETS: Final[dict[ByTime, str]] = {
    "hour": "bucket",
    "day": "bucket",
    "week": """to_char(bucket::date, 'IYYY-"W"IW')""",
    "month": "substr(bucket, 1, 7)",
}
_DATE_CHARACTERS: Final = len("2009-12-01")

# Buckets are text of one format each, so that they sort as times do and an hour lies between its day and the next.
_BY_TIME: Final[dict[ByTime, str]] = {
    by: f"""
SELECT * FROM (
    SELECT {bucket} AS bucket, {_SUMS} FROM {VIEW.table.fullname}
    WHERE tenant_id = $1 AND build = $2 AND grain = $3 AND dimension = 'all' AND bucket >= $4 AND bucket < $5
    GROUP BY 1
) sums
WHERE sums.bucket > $6 ORDER BY sums.bucket LIMIT $7
"""  # noqa: S608 - constants of this module and the name of a Table
    for by, bucket in _BUCKETS.items()
}
# The latest label: buckets of a grain have one length, so the greatest `bucket || label` is of the latest bucket.
_BY_DIMENSION: Final = f"""
SELECT * FROM (
    SELECT dimension_id, substr(max(bucket || label), {_DATE_CHARACTERS + 1}) AS label, {_SUMS}
    FROM {VIEW.table.fullname}
    WHERE tenant_id = $1 AND build = $2 AND grain = 'day' AND dimension = $3 AND bucket >= $4 AND bucket < $5
    GROUP BY dimension_id
) sums
WHERE $6::bigint IS NULL OR sums.net_minor < $6 OR (sums.net_minor = $6 AND sums.dimension_id > $7)
ORDER BY sums.net_minor DESC, sums.dimension_id LIMIT $8
"""  # noqa: S608 - constants of this module and the name of a Table


class SalesFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was sold in a bucket, or of a title, author, publisher, location or channel over the whole range.

    Attributes:
        bucket: `2009-12-01T14`, `2009-12-01`, `2009-W49` (ISO 8601) or `2009-12`; by a dimension the range, `from/to`.
            An hour that the clocks repeat in autumn is one bucket. Buckets without sales are left out.
        id: of the edition, the location, the channel; an author's or publisher's normalised name. Not by time.
        label: what to call it. Not by time.
        orders: placed less cancelled.
        units: copies ordered less those of cancelled orders.
        returned_units: copies that came back.
        net: less cancellations and returns, each on its own date, without tax.
        discounts: given on what was ordered, less those of what was cancelled or came back.
        cost: by moving average at the time; `net - cost` is the margin.
    """

    bucket: str
    id: str | UnsetType = UNSET
    label: str | UnsetType = UNSET
    orders: int
    units: int
    returned_units: int
    net: SignedMoney
    tax: SignedMoney
    discounts: SignedMoney
    cost: SignedMoney


class SalesByTimeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The buckets of a range, in their order. `limit` holds the whole range unless a page was asked for."""

    by: ByTime
    from_date: date
    to_date: date
    currency: str
    limit: int
    after: str = ""

    @property
    def question(self) -> tuple[object, ...]:
        """What a cursor belongs to."""
        return self.by, self.from_date, self.to_date


class SalesByDimensionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The titles (or authors, publishers, locations, channels) of a range, most net sales first, ties by id."""

    by: ByDimension
    from_date: date
    to_date: date
    currency: str
    limit: int
    after: tuple[int, str] | None = None

    @property
    def question(self) -> tuple[object, ...]:
        """What a cursor belongs to."""
        return self.by, self.from_date, self.to_date


async def fetch_by_time(snapshot: Snapshot, query: SalesByTimeQuery) -> Answer:
    """The sums of each bucket that has any."""
    records = await snapshot.rows(
        _BY_TIME[query.by],
        "hour" if query.by == "hour" else "day",
        query.from_date.isoformat(),
        query.to_date.isoformat(),
        query.after,
        query.limit + 1,
    )
    shown, has_more = records[: query.limit], len(records) > query.limit
    return Answer(
        data=msgspec.json.encode([_figures(record, query.currency, bucket=record["bucket"]) for record in shown]),
        next_cursor=encode_cursor(query.question, (shown[-1]["bucket"],)) if has_more else None,
        has_more=has_more,
    )


async def fetch_by_dimension(snapshot: Snapshot, query: SalesByDimensionQuery) -> Answer:
    """The sums over the range."""
    net_minor, identifier = query.after or (None, None)
    records = await snapshot.rows(
        _BY_DIMENSION,
        query.by,
        query.from_date.isoformat(),
        query.to_date.isoformat(),
        net_minor,
        identifier,
        query.limit + 1,
    )
    shown, has_more = records[: query.limit], len(records) > query.limit
    bucket = f"{query.from_date}/{query.to_date}"
    figures = [
        _figures(record, query.currency, bucket=bucket, identifier=record["dimension_id"], label=record["label"])
        for record in shown
    ]
    last = (shown[-1]["net_minor"], shown[-1]["dimension_id"]) if has_more else None
    return Answer(
        data=msgspec.json.encode(figures),
        next_cursor=encode_cursor(query.question, last) if last else None,
        has_more=has_more,
    )


def _figures(
    record: Record,
    currency: str,
    *,
    bucket: str,
    identifier: str | UnsetType = UNSET,
    label: str | UnsetType = UNSET,
) -> SalesFigures:
    return SalesFigures(
        bucket=bucket,
        id=identifier,
        label=label,
        orders=record["orders"],
        units=record["units"],
        returned_units=record["returned_units"],
        net=SignedMoney(amount_minor=record["net_minor"], currency=currency),
        tax=SignedMoney(amount_minor=record["tax_minor"], currency=currency),
        discounts=SignedMoney(amount_minor=record["discount_minor"], currency=currency),
        cost=SignedMoney(amount_minor=record["cost_minor"], currency=currency),
    )
