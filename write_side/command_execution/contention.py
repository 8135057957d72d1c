"""Where commands overtake each other all the time, deciding without locks is work done twice."""

from typing import Final
from uuid import UUID

_MOST_SAT_OUT: Final = 64
"""One try among so many costs next to nothing, and notices when the rush is over."""
_MAX_STORES: Final = 10_000
"""Some megabytes; those that lost longest ago are forgotten."""


class Contention:
    """Which stores lost lately. After each loss in a row twice as many of their commands lock at once."""

    def __init__(self) -> None:
        self._lost: dict[UUID, tuple[int, int]] = {}  # how many still to sit out, and how many after the last loss

    def is_worth_trying(self, tenant_id: UUID) -> bool:
        """Whether this command should try; one that should not is counted."""
        left, penalty = self._lost.get(tenant_id, (0, 0))
        if not left:
            return True
        self._lost[tenant_id] = left - 1, penalty
        return False

    def lost(self, tenant_id: UUID) -> None:
        """It tried, and others had been there."""
        _, penalty = self._lost.pop(tenant_id, (0, 0))
        penalty = min(max(1, penalty * 2), _MOST_SAT_OUT)
        self._lost[tenant_id] = penalty, penalty
        if len(self._lost) > _MAX_STORES:
            del self._lost[next(iter(self._lost))]

    def won(self, tenant_id: UUID) -> None:
        """It tried, and nobody had."""
        if tenant_id not in self._lost:
            return
        left, penalty = self._lost[tenant_id]
        if penalty > 1:
            self._lost[tenant_id] = left, penalty // 2
        else:
            del self._lost[tenant_id]
