"""Green or red, and why: what several looks, a few seconds apart, say about projecting."""

import time
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from shared_kernel.monitor.looking import ProjectionSight, Sight, StoreLag

STALLED_SECONDS: Final = 4.0
"""A store's events that none is shown of for so long are not waiting for their turn: rounds take less than a second."""
LATE_SECONDS: Final = 30.0
"""A projection that moves, and is this far behind all the same, shows too old a state to be called well."""

_Place: TypeAlias = tuple[str, int, UUID]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Green where `reasons` is empty; each of them is a sentence for a person."""

    reasons: tuple[str, ...] = ()

    @property
    def is_green(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons

    @property
    def text(self) -> str:
        """All of it in a line."""
        return "; ".join(self.reasons) or "every event is shown within seconds"


class Judge:
    """Remembers since when each store stands where it stands: one look cannot tell a backlog from a standstill."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._stands: dict[_Place, tuple[int, float]] = {}

    def judge(self, sight: Sight) -> Verdict:
        """What this look, after the earlier ones, means."""
        now = self._now()
        stands: dict[_Place, tuple[int, float]] = {}
        reasons = [*_labour_reasons(sight)]
        for projection in (one for one in sight.projections if not one.is_paused):  # somebody wanted it so
            stalled = []
            for lag in projection.behind:
                place = (projection.name, projection.version, lag.tenant_id)
                position, since = self._stands.get(place, (lag.position, now))
                stands[place] = (lag.position, since if position == lag.position else now)
                if now - stands[place][1] >= STALLED_SECONDS:
                    stalled.append(lag)
            reasons += _lag_reasons(projection, stalled)
        self._stands = stands
        return Verdict(reasons=tuple(reasons))


def _labour_reasons(sight: Sight) -> list[str]:
    labour = sight.labour
    if not labour.workers:
        return ["no projector is alive: start one (`shelfwise up`, or `python -m projections.worker`)"]
    if labour.held_shards < labour.shards:
        return [f"{labour.shards - labour.held_shards} of {labour.shards} shards are drained by nobody"]
    return []


def _lag_reasons(projection: ProjectionSight, stalled: list[StoreLag]) -> list[str]:
    name = f"{projection.name}@{projection.version}"
    if stalled:
        worst = max(stalled, key=lambda lag: lag.lag_seconds)
        stores = f"{len(stalled)} store{'' if len(stalled) == 1 else 's'}"
        return [f"{name} stands still in {stores}; the oldest event it does not show is {worst.lag_seconds:.0f} s old"]
    if projection.lag_seconds is not None and projection.lag_seconds > LATE_SECONDS:
        return [f"{name} is {projection.lag_seconds:.0f} s behind ({projection.lag_events:,} events), and moving"]
    return []
