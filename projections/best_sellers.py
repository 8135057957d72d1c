"""`best_sellers`: copies sold by edition, net of cancellations and returns, over all time, by month and by day."""

from collections.abc import Iterator
from typing import cast
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Pace, Projection, Sums
from projections.revenue import REVENUE_EVENTS, RevenueEvent, effect_of
from read_side.best_sellers.view import VIEW, BestSellerRow, Span
from shared_kernel.events.orders import OrderedLine
from shared_kernel.views import Key


class _Sold(msgspec.Struct, gc=False):
    """What an event's lines of one edition come to, before its sign."""

    line: OrderedLine
    units: int = 0
    net_minor: int = 0


def _touches(recorded: AnyRecorded) -> Iterator[tuple[Key, BestSellerRow]]:
    event = cast("RevenueEvent", recorded.event)
    effect = effect_of(event)
    day = recorded.metadata.store_time.date.isoformat()
    buckets: tuple[tuple[Span, str], ...] = ("all", ""), ("month", day[:7]), ("day", day)
    for edition_id, sold in _by_edition(event).items():
        units = (effect.units - effect.returned_units) * sold.units
        for span, bucket in buckets:
            yield (
                (span, bucket, edition_id),
                BestSellerRow(
                    span=span,
                    bucket=bucket,
                    edition_id=edition_id,
                    sku=sold.line.sku,
                    title=sold.line.title,
                    currency=event.currency,
                    units=units,
                    net_minor=effect.amounts * sold.net_minor,
                    ranked_units=units if span == "all" else None,
                ),
            )


def _by_edition(event: RevenueEvent) -> dict[UUID, _Sold]:
    by_edition: dict[UUID, _Sold] = {}
    for line in event.lines:
        sold = by_edition.get(line.edition_id)
        if sold is None:
            sold = by_edition[line.edition_id] = _Sold(line=line)
        sold.units += line.quantity
        sold.net_minor += line.net_minor
    return by_edition


def _evolve(row: BestSellerRow | None, part: BestSellerRow, _recorded: AnyRecorded) -> BestSellerRow:
    if row is None:
        return part
    return BestSellerRow(
        span=row.span,
        bucket=row.bucket,
        edition_id=row.edition_id,
        sku=row.sku,
        title=part.title,
        currency=row.currency,
        units=row.units + part.units,
        net_minor=row.net_minor + part.net_minor,
        ranked_units=None if row.ranked_units is None else row.units + part.units,
    )


PROJECTION = Projection(
    view=VIEW,
    handles=REVENUE_EVENTS,
    touches=_touches,
    evolve=_evolve,
    pace=Pace.GATHERED,
    sums=Sums(
        added=("units", "net_minor", "ranked_units"),
        latest=("title",),
    ),
)
