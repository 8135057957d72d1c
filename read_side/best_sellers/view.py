"""The read table of `/best-sellers`: copies sold by edition, over all time, by month and by day.

The index that ranks is of a column that rows of all time alone fill: of one that changes at every sale it would keep
PostgreSQL from updating any row in its place (version 1).
"""

from typing import Literal, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, Index, Text, Uuid

from shared_kernel.views import View, view_table

Span: TypeAlias = Literal["all", "month", "day"]


class BestSellerRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An edition's sales in a bucket; also what one event adds to it: rows of one key are summed.

    Attributes:
        span: how long the bucket is.
        bucket: of the store's own calendar, `2009-12` or `2009-12-01`; empty for `all`.
        title: as the latest event of the bucket called it.
        units: copies sold, net of cancellations and returns, each on its own date.
        ranked_units: the same, of rows of all time alone.
    """

    span: Span
    bucket: str
    edition_id: UUID
    sku: str
    title: str
    currency: str
    units: int
    net_minor: int
    ranked_units: int | None


VIEW = View(
    name="best_sellers",
    version=2,
    row=BestSellerRow,
    key=("span", "bucket", "edition_id"),
    table=view_table(
        "best_sellers",
        2,
        Column("span", Text, primary_key=True),
        Column("bucket", Text, primary_key=True),
        Column("edition_id", Uuid, primary_key=True),
        Column("sku", Text, nullable=False),
        Column("title", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("units", BigInteger, nullable=False),
        Column("net_minor", BigInteger, nullable=False),
        Column("ranked_units", BigInteger, nullable=True),
        Index("best_sellers_ranked", "span", "bucket", "ranked_units"),
    ),
)
