"""Folding events by hand, the way every runtime must come out."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from projections.fold import AnyRecorded, Projection
from shared_kernel.views import Key

RowT = TypeVar("RowT", bound=msgspec.Struct)


def fold(projection: Projection[RowT], events: Iterable[AnyRecorded]) -> dict[Key, RowT]:
    """The rows that these events leave, by key."""
    rows: dict[Key, RowT] = {}
    for recorded in events:
        if type(recorded.event) not in projection.handles:
            continue
        for key, part in projection.touches(recorded):
            row = projection.evolve(rows.get(key), part, recorded)
            if row is None:
                rows.pop(key, None)
                continue
            assert projection.view.key_of(row) == key
            rows[key] = row
    return rows
