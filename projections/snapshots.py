"""The fold of `snapshots`."""

from collections.abc import Iterable
from typing import cast

from projections.fold import AnyRecorded, Part, Projection
from read_side.snapshots.view import VIEW, SnapshotRow
from shared_kernel.events.snapshots import SnapshotRequested
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The snapshot's own row."""
    event = cast("SnapshotRequested", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.snapshot_id,), event)]


def evolve(_row: SnapshotRow | None, event: SnapshotRequested, recorded: AnyRecorded) -> SnapshotRow:
    """The snapshot as it was asked for; how far it is, its builds say."""
    return SnapshotRow(
        id=event.snapshot_id,
        views=event.views,
        position_asked=event.position,
        as_of=event.as_of,
        requested_at=recorded.recorded_at,
        expires_at=event.expires_at,
    )


PROJECTION = Projection(view=VIEW, handles=frozenset({SnapshotRequested}), touches=touches, evolve=evolve)
"""What stores want to see as of a position."""
