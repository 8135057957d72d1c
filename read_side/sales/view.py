"""The read table of `/sales`: sums by bucket of time and dimension, which add up to any longer range.

Hours are kept of `all` alone: nobody is told them of a title, and they were nearly half of all rows (version 1).
Version 2 did not know publishers.
"""

from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import BigInteger, Column, Text

from shared_kernel.views import View, view_table

Grain: TypeAlias = Literal["hour", "day"]
Dimension: TypeAlias = Literal["all", "title", "author", "publisher", "location", "channel"]


class SalesRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was sold in a bucket, along a dimension; also what one event adds to it: rows of one key are summed.

    An order counts in the bucket it was placed in. A cancellation and a return count in their own, as negatives; only
    `returned_units` is counted upwards.

    Attributes:
        bucket: of the store's own calendar, `2009-12-01` or `2009-12-01T14`. An hour that autumn repeats is one bucket.
        dimension_id: of the edition, the location, the channel; an author's or a publisher's name, normalised;
            empty for `all`.
        label: as the latest event called it.
        orders: placed less cancelled; an order counts once however many of its lines concern the dimension.
        units: copies ordered less those of cancelled orders.
        cost_minor: by moving average when the order was placed.
    """

    grain: Grain
    bucket: str
    dimension: Dimension
    dimension_id: str
    label: str
    currency: str
    orders: int
    units: int
    returned_units: int
    net_minor: int
    tax_minor: int
    discount_minor: int
    cost_minor: int


VIEW = View(
    name="sales",
    version=3,
    row=SalesRow,
    # The dimension before the bucket: every query reads one range of buckets of one dimension.
    key=("grain", "dimension", "bucket", "dimension_id"),
    table=view_table(
        "sales",
        3,
        Column("grain", Text, primary_key=True),
        Column("dimension", Text, primary_key=True),
        Column("bucket", Text, primary_key=True),
        Column("dimension_id", Text, primary_key=True),
        Column("label", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("orders", BigInteger, nullable=False),
        Column("units", BigInteger, nullable=False),
        Column("returned_units", BigInteger, nullable=False),
        Column("net_minor", BigInteger, nullable=False),
        Column("tax_minor", BigInteger, nullable=False),
        Column("discount_minor", BigInteger, nullable=False),
        Column("cost_minor", BigInteger, nullable=False),
    ),
)
