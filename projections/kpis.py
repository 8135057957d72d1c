"""`kpis`: a row a day of the store's calendar, with the figures that the dashboard's tiles are computed from."""

from collections.abc import Iterator
from typing import cast

from projections.fold import AnyRecorded, Pace, Projection, Sums
from projections.revenue import REVENUE_EVENTS, RevenueEvent, effect_of
from read_side.kpis.view import VIEW, KpiDayRow
from shared_kernel.events.orders import GoodsReturned, OrderCancelled
from shared_kernel.views import Key


def _touches(recorded: AnyRecorded) -> Iterator[tuple[Key, KpiDayRow]]:
    event = cast("RevenueEvent", recorded.event)
    effect = effect_of(event)
    units = sum(line.quantity for line in event.lines)
    net_minor = sum(line.net_minor for line in event.lines)
    day = recorded.metadata.store_time.date
    yield (
        (day,),
        KpiDayRow(
            day=day,
            currency=event.currency,
            orders=effect.orders,
            cancelled_orders=1 if isinstance(event, OrderCancelled) else 0,
            units=effect.units * units,
            returned_units=effect.returned_units * units,
            net_minor=effect.amounts * net_minor,
            returned_net_minor=net_minor if isinstance(event, GoodsReturned) else 0,
            tax_minor=effect.amounts * sum(line.tax_minor for line in event.lines),
            cost_minor=effect.amounts * sum(line.cost_minor for line in event.lines),
        ),
    )


def _evolve(row: KpiDayRow | None, part: KpiDayRow, _recorded: AnyRecorded) -> KpiDayRow:
    if row is None:
        return part
    return KpiDayRow(
        day=row.day,
        currency=row.currency,
        orders=row.orders + part.orders,
        cancelled_orders=row.cancelled_orders + part.cancelled_orders,
        units=row.units + part.units,
        returned_units=row.returned_units + part.returned_units,
        net_minor=row.net_minor + part.net_minor,
        returned_net_minor=row.returned_net_minor + part.returned_net_minor,
        tax_minor=row.tax_minor + part.tax_minor,
        cost_minor=row.cost_minor + part.cost_minor,
    )


PROJECTION = Projection(
    view=VIEW,
    handles=REVENUE_EVENTS,
    touches=_touches,
    evolve=_evolve,
    pace=Pace.GATHERED,
    sums=Sums(
        added=(
            "orders",
            "cancelled_orders",
            "units",
            "returned_units",
            "net_minor",
            "returned_net_minor",
            "tax_minor",
            "cost_minor",
        ),
    ),
)
