"""`sales`: sums by hour of the store's calendar in total, by day also by title, author, publisher, location, channel.

An author gets the whole line, and so does each of several, so that authors do not add up to the total.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import TypeAlias, cast

import msgspec

from projections.fold import AnyRecorded, Pace, Projection, Sums
from projections.revenue import REVENUE_EVENTS, Effect, RevenueEvent, effect_of
from read_side.sales.view import VIEW, Dimension, Grain, SalesRow
from shared_kernel.events.orders import OrderedLine
from shared_kernel.views import Key

_Key: TypeAlias = tuple[Grain, Dimension, str, str]
_MAX_NAME_ID_CHARACTERS = 200  # names end well before it; an index takes it in any script


class _Sum(msgspec.Struct, gc=False):
    """What an event's lines add to one dimension."""

    label: str
    units: int = 0
    net_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0
    cost_minor: int = 0

    def add(self, line: OrderedLine) -> None:
        self.units += line.quantity
        self.net_minor += line.net_minor
        self.tax_minor += line.tax_minor
        self.discount_minor += line.discount_minor
        self.cost_minor += line.cost_minor


def name_id(name: str) -> str:
    """An author's or a publisher's name as one of all spellings that differ by case, width or spaces; may be empty."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())[:_MAX_NAME_ID_CHARACTERS].rstrip()


def _touches(recorded: AnyRecorded) -> Iterator[tuple[Key, SalesRow]]:
    event = cast("RevenueEvent", recorded.event)
    effect = effect_of(event)
    time = recorded.metadata.store_time
    day = time.date.isoformat()
    for (dimension, dimension_id), total in _sums(event).items():
        key: _Key = ("day", dimension, day, dimension_id)
        yield key, _row(key, total, effect=effect, currency=event.currency)
        if dimension == "all":
            hour: _Key = ("hour", dimension, f"{day}T{time.hour:02d}", dimension_id)
            yield hour, _row(hour, total, effect=effect, currency=event.currency)


def _sums(event: RevenueEvent) -> dict[tuple[Dimension, str], _Sum]:
    whole = _Sum(label="")
    parts: dict[tuple[Dimension, str], _Sum] = {}
    for line in event.lines:
        whole.add(line)
        _sum_for(parts, ("title", f"{line.edition_id}"), line.title).add(line)
        for identifier, name in _by_id(line.authors):
            _sum_for(parts, ("author", identifier), name).add(line)
        if line.publisher is not None:
            for identifier, name in _by_id((line.publisher,)):
                _sum_for(parts, ("publisher", identifier), name).add(line)
    return {
        ("all", ""): whole,
        ("location", f"{event.location_id}"): msgspec.structs.replace(whole, label=event.location_name),
        ("channel", event.channel): msgspec.structs.replace(whole, label=event.channel),
        **parts,
    }


def _sum_for(sums: dict[tuple[Dimension, str], _Sum], key: tuple[Dimension, str], label: str) -> _Sum:
    known = sums.get(key)
    if known is None:
        known = sums[key] = _Sum(label=label)
    return known


def _by_id(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Each once, however often and in whatever spelling a line names it."""
    return {identifier: name for name in names if (identifier := name_id(name))}.items()


def _row(key: _Key, total: _Sum, *, effect: Effect, currency: str) -> SalesRow:
    grain, dimension, bucket, dimension_id = key
    return SalesRow(
        grain=grain,
        bucket=bucket,
        dimension=dimension,
        dimension_id=dimension_id,
        label=total.label,
        currency=currency,
        orders=effect.orders,
        units=effect.units * total.units,
        returned_units=effect.returned_units * total.units,
        net_minor=effect.amounts * total.net_minor,
        tax_minor=effect.amounts * total.tax_minor,
        discount_minor=effect.amounts * total.discount_minor,
        cost_minor=effect.amounts * total.cost_minor,
    )


def _evolve(row: SalesRow | None, part: SalesRow, _recorded: AnyRecorded) -> SalesRow:
    if row is None:
        return part
    return SalesRow(
        grain=row.grain,
        bucket=row.bucket,
        dimension=row.dimension,
        dimension_id=row.dimension_id,
        label=part.label,
        currency=row.currency,
        orders=row.orders + part.orders,
        units=row.units + part.units,
        returned_units=row.returned_units + part.returned_units,
        net_minor=row.net_minor + part.net_minor,
        tax_minor=row.tax_minor + part.tax_minor,
        discount_minor=row.discount_minor + part.discount_minor,
        cost_minor=row.cost_minor + part.cost_minor,
    )


PROJECTION = Projection(
    view=VIEW,
    handles=REVENUE_EVENTS,
    touches=_touches,
    evolve=_evolve,
    pace=Pace.GATHERED,
    sums=Sums(
        added=("orders", "units", "returned_units", "net_minor", "tax_minor", "discount_minor", "cost_minor"),
        latest=("label",),
    ),
)
