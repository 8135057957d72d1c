"""The editions that sold most copies, net of cancellations and returns; ties go by SKU."""

from datetime import date, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.best_sellers.view import VIEW, Span
from read_side.query_execution import Answer, Record, Snapshot
from shared_kernel.isbn import InvalidIsbn, parse_isbn
from shared_kernel.money import SignedMoney
from shared_kernel.views import encode_key

Window: TypeAlias = Literal["7d", "30d", "365d", "all"]
WINDOW_DAYS: Final[dict[Window, int]] = {"7d": 7, "30d": 30, "365d": 365}
_ISBN13_DIGITS: Final = 13

_ALL_TIME: Final = f"""
SELECT edition_id, sku, title, units, net_minor FROM {VIEW.table.fullname}
WHERE tenant_id = $1 AND build = $2 AND span = 'all' AND bucket = '' AND ranked_units > 0
ORDER BY ranked_units DESC, sku LIMIT $3
"""  # noqa: S608 - the name of a Table

# Each piece of a window is summed by itself (an aggregate in LATERAL is not pulled up): each is one index range.
_WINDOW: Final = f"""
WITH summed AS (
    SELECT part.edition_id, min(part.sku) AS sku,
        coalesce(sum(part.units) FILTER (WHERE piece.is_current), 0)::bigint AS units,
        coalesce(sum(part.net_minor) FILTER (WHERE piece.is_current), 0)::bigint AS net_minor,
        coalesce(sum(part.units) FILTER (WHERE NOT piece.is_current), 0)::bigint AS previous_units
    FROM unnest($3::text[], $4::text[], $5::text[], $6::boolean[]) AS piece(span, first_bucket, end_bucket, is_current)
    CROSS JOIN LATERAL (
        SELECT edition_id, min(sku) AS sku, sum(units) AS units, sum(net_minor) AS net_minor
        FROM {VIEW.table.fullname}
        WHERE tenant_id = $1 AND build = $2 AND span = piece.span
            AND bucket >= piece.first_bucket AND bucket < piece.end_bucket
        GROUP BY edition_id
    ) part
    GROUP BY part.edition_id
), ranked AS (
    SELECT edition_id, sku, units, net_minor,
        row_number() OVER (ORDER BY units DESC, sku) AS rank,
        CASE WHEN previous_units > 0 THEN row_number() OVER (ORDER BY previous_units DESC, sku) END
            AS previous_rank
    FROM summed
), top AS (
    SELECT * FROM ranked WHERE units > 0 ORDER BY rank LIMIT $7
)
SELECT top.edition_id, top.sku, top.units, top.net_minor, top.previous_rank, coalesce(latest.title, top.sku) AS title
FROM top LEFT JOIN {VIEW.table.fullname} latest
    ON latest.tenant_id = $1 AND latest.build = $2 AND latest.span = 'all' AND latest.bucket = ''
    AND latest.edition_id = top.edition_id
ORDER BY top.rank
"""  # noqa: S608 - the name of a Table


class BestSeller(msgspec.Struct, frozen=True, kw_only=True):
    """An edition and its place.

    Attributes:
        rank: from 1; only editions of which copies were sold, net, have one.
        previous_rank: in the window of the same length before; null if none were sold in it, and for all time.
        isbn13: null where the edition goes by an own SKU.
        units: copies, net of cancellations and returns.
    """

    rank: int
    previous_rank: int | None
    edition_id: UUID
    isbn13: str | None
    title: str
    units: int
    net: SignedMoney


class BestSellersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the days from `from_date` up to `to_date`, which is exclusive; of all time without them."""

    from_date: date | None
    to_date: date | None
    limit: int
    currency: str


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets of one span, the last exclusive, which lie side by side in the table."""

    span: Span
    first_bucket: str
    end_bucket: str


async def fetch_best_sellers(snapshot: Snapshot, query: BestSellersQuery) -> Answer:
    """The ranks from 1, at most `limit`."""
    if query.from_date is None or query.to_date is None:
        records = await snapshot.rows(_ALL_TIME, query.limit)
        keys = tuple(encode_key(("all", "", record["edition_id"])) for record in records)
        return Answer(data=_encoded([(record, None) for record in records], query.currency), row_keys=keys)
    before = query.from_date - (query.to_date - query.from_date)
    current, previous = pieces(query.from_date, query.to_date), pieces(before, query.from_date)
    records = await snapshot.rows(
        _WINDOW,
        [piece.span for piece in current + previous],
        [piece.first_bucket for piece in current + previous],
        [piece.end_bucket for piece in current + previous],
        [True] * len(current) + [False] * len(previous),
        query.limit,
    )
    return Answer(data=_encoded([(record, record["previous_rank"]) for record in records], query.currency))


def pieces(from_date: date, to_date: date) -> list[Piece]:
    """A range of days as whole months and the days around them: a year is twelve months and some weeks of days."""
    first_month = from_date if from_date.day == 1 else _next_month(from_date)
    last_month = to_date.replace(day=1)
    if first_month >= last_month:
        return [Piece(span="day", first_bucket=f"{from_date}", end_bucket=f"{to_date}")]
    ranges: tuple[tuple[Span, str, str], ...] = (
        ("day", f"{from_date}", f"{first_month}"),
        ("month", f"{first_month:%Y-%m}", f"{last_month:%Y-%m}"),
        ("day", f"{last_month}", f"{to_date}"),
    )
    return [
        Piece(span=span, first_bucket=first_bucket, end_bucket=end_bucket)
        for span, first_bucket, end_bucket in ranges
        if first_bucket != end_bucket
    ]


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _encoded(records: list[tuple[Record, int | None]], currency: str) -> bytes:
    return msgspec.json.encode(
        [
            BestSeller(
                rank=rank,
                previous_rank=previous_rank,
                edition_id=record["edition_id"],
                isbn13=_isbn13_of(record["sku"]),
                title=record["title"],
                units=record["units"],
                net=SignedMoney(amount_minor=record["net_minor"], currency=currency),
            )
            for rank, (record, previous_rank) in enumerate(records, start=1)
        ]
    )


def _isbn13_of(sku: str) -> str | None:
    """Orders carry the SKU only: an edition with an ISBN has that for its SKU."""
    if len(sku) != _ISBN13_DIGITS:
        return None
    try:
        return parse_isbn(sku)
    except InvalidIsbn:
        return None
