"""How much a backlog takes at a time while other stores have news: short batches with rests between them.

Others wait for the one thread, and for PostgreSQL, as long as a batch that is under way takes; so what counts is its
time, not its events. A backlog that grows all the same, because its store writes faster than that, takes twice as much
each second until it no longer does: nobody falls behind for good because others write.
"""

import time
from collections.abc import Mapping
from uuid import UUID

_SLICE_SECONDS = 0.015
"""About two rounds of those who have news: one more in front of a store's own."""
_FIRST_EVENTS, FEWEST_EVENTS = 24, 16
"""Fewer would mostly be round trips."""
_FEWER, _MORE = 0.75, 1.25
_LOOK_SECONDS = 1.0
_MOST_DOUBLINGS = 5
"""Half a second at a time and hardly a rest: a batch like any other."""
_LOOKS_BEFORE_HALVING = 5
"""In a row without any growth: until then what was gained is kept."""
_MOST_CROWDED = 2.0
"""A third of the time is a backlog's however slow the machine is."""
_LONGEST_REST_SECONDS = 0.5
"""A batch that hung for longer did so without working: nobody is owed that time."""


class Slices:
    """The measure of a worker's backlogs beside others."""

    def __init__(self) -> None:
        self._events = float(_FIRST_EVENTS)
        self._doublings = 0
        self._shrinking_looks = 0
        self._behind: Mapping[UUID, int] = {}
        self._looked_at = 0.0

    @property
    def events(self) -> int:
        """How many a batch may have."""
        return round(self._events)

    @property
    def _slice_seconds(self) -> float:
        return _SLICE_SECONDS * 2.0**self._doublings

    def note_batch(self, *, events: int, seconds: float) -> None:
        """A batch of a backlog took so long."""
        if seconds > self._slice_seconds:
            self._events = max(FEWEST_EVENTS, self._events * _FEWER)
        elif events >= self.events:
            self._events *= _MORE

    def note_behind(self, events: Mapping[UUID, int]) -> None:
        """These stores are so far behind."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        grown = sum(behind - self._behind[store] for store, behind in events.items() if store in self._behind)
        if grown > 0:
            self._doublings = min(_MOST_DOUBLINGS, self._doublings + 1)
            self._shrinking_looks = 0
        else:
            self._shrinking_looks += 1
            if self._shrinking_looks % _LOOKS_BEFORE_HALVING == 0:
                self._doublings = max(0, self._doublings - 1)
        self._looked_at, self._behind = now, dict(events)

    def rest_seconds(self, took_seconds: float) -> float:
        """How long after a batch the others have all to themselves: longer where so few events took so long."""
        crowded = min(_MOST_CROWDED, max(1.0, took_seconds / self._slice_seconds))
        return min(took_seconds * crowded, _LONGEST_REST_SECONDS) * 0.5**self._doublings
