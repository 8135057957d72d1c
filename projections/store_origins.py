"""The fold of `store_origins`."""

from collections.abc import Iterable
from typing import cast

from projections.fold import AnyRecorded, Part, Projection
from read_side.store_origins.view import VIEW, OriginRow
from shared_kernel.events.tenants import StoreOpened
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """A row for each origin."""
    event = cast("StoreOpened", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((origin,), origin) for origin in event.allowed_origins]


def evolve(_row: OriginRow | None, origin: str, _recorded: AnyRecorded) -> OriginRow:
    """The origin is listed."""
    return OriginRow(origin=origin)


PROJECTION = Projection(view=VIEW, handles=frozenset({StoreOpened}), touches=touches, evolve=evolve)
