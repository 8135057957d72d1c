"""The read table of `/kpis`: a day's figures of the whole store."""

from datetime import date

import msgspec
from sqlalchemy import BigInteger, Column, Date, Text

from shared_kernel.views import View, view_table


class KpiDayRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A day of the store's own calendar; also what one event adds to it: rows of one day are summed.

    An order counts on the day it was placed, a cancellation and a return on their own, as negatives.

    Attributes:
        orders: placed less cancelled.
        cancelled_orders: cancelled on this day, whenever they were placed.
        units: copies ordered less those of cancelled orders.
        returned_units: copies that came back.
        net_minor: placed less cancelled less returned; tax and cost likewise.
        returned_net_minor: what came back, as a positive amount.
    """

    day: date
    currency: str
    orders: int
    cancelled_orders: int
    units: int
    returned_units: int
    net_minor: int
    returned_net_minor: int
    tax_minor: int
    cost_minor: int


VIEW = View(
    name="kpis",
    version=1,
    row=KpiDayRow,
    key=("day",),
    table=view_table(
        "kpis",
        1,
        Column("day", Date, primary_key=True),
        Column("currency", Text, nullable=False),
        Column("orders", BigInteger, nullable=False),
        Column("cancelled_orders", BigInteger, nullable=False),
        Column("units", BigInteger, nullable=False),
        Column("returned_units", BigInteger, nullable=False),
        Column("net_minor", BigInteger, nullable=False),
        Column("returned_net_minor", BigInteger, nullable=False),
        Column("tax_minor", BigInteger, nullable=False),
        Column("cost_minor", BigInteger, nullable=False),
    ),
)
