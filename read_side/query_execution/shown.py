"""What this process has shown last, so that it never shows anything older afterwards."""

from collections import OrderedDict
from typing import Final

from read_side.query_execution.asking import Asked
from shared_kernel.redis.state import ProjectionState

DEFAULT_MAX_ENTRIES: Final = 50_000
"""Tenants times views, some 15 MB; who is forgotten has not asked for a while."""


class Shown:
    """The newest state shown of each tenant's views, whichever build it was of."""

    def __init__(self, *, max_entries: int = DEFAULT_MAX_ENTRIES) -> None:
        self._states: OrderedDict[str, ProjectionState] = OrderedDict()
        self._max_entries = max_entries

    def is_past(self, asked: Asked, state: ProjectionState) -> bool:
        """Whether something newer was shown: a later position, or there a later revision of the same build."""
        return self._is_past(asked.place, state)

    def last(self, asked: Asked) -> ProjectionState | None:
        """The state that was shown last; None where none was, or long ago."""
        return self._states.get(asked.place)

    def may_show(self, place: str, state: ProjectionState) -> bool:
        """Whether nothing newer was shown there (`Asked.place`); if so it is noted."""
        if self._states.get(place) is state:
            self._states.move_to_end(place)
            return True
        if self._is_past(place, state):
            return False
        self._remember(place, state)
        return True

    def remember(self, asked: Asked, state: ProjectionState) -> None:
        """Note what is about to be shown. The table has the last word, also where it was taken back to a backup."""
        self._remember(asked.place, state)

    def _is_past(self, place: str, state: ProjectionState) -> bool:
        shown = self._states.get(place)
        if shown is None or state.position > shown.position:
            return False
        return state.position < shown.position or (state.build == shown.build and state.revision < shown.revision)

    def _remember(self, place: str, state: ProjectionState) -> None:
        self._states[place] = state
        self._states.move_to_end(place)
        while len(self._states) > self._max_entries:
            self._states.popitem(last=False)
