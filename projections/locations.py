"""The fold of `locations`."""

from collections.abc import Iterable
from typing import cast

from projections.fold import AnyRecorded, Part, Projection
from read_side.locations.view import VIEW, LocationRow
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The location's own row."""
    event = cast("LocationOpened", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.location_id,), event)]


def evolve(_row: LocationRow | None, event: LocationOpened, recorded: AnyRecorded) -> LocationRow:
    """The location as it was opened."""
    return LocationRow(id=event.location_id, name=event.name, kind=event.kind, version=recorded.stream_version)


PROJECTION = Projection(view=VIEW, handles=frozenset({LocationOpened}), touches=touches, evolve=evolve)
