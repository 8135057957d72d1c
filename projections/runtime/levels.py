"""Where a tenant's checkpoints stand: those of one position are folded together, each pace by itself."""

from collections.abc import Collection, Iterable
from typing import TypeAlias

import msgspec

from projections.runtime.checkpoints import Checkpoint

Level: TypeAlias = tuple[int, tuple[Checkpoint, ...]]
"""A position, and the checkpoints that are there."""


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant has folded along, by position, the lowest first.

    Attributes:
        prompt: of projections that show each event in the next round.
        gathered: of those that show many events at a time.
        whole: of all of them.
    """

    prompt: tuple[Level, ...] = ()
    gathered: tuple[Level, ...] = ()
    whole: tuple[Level, ...] = ()

    @property
    def fronts(self) -> list[int]:
        """Where the furthest of each pace is, the lower first."""
        return sorted({levels[-1][0] for levels in (self.prompt, self.gathered) if levels})


def levels_of(checkpoints: Collection[Checkpoint], gathered: Collection[str]) -> Levels:
    """Where these are.

    Args:
        checkpoints: of one tenant.
        gathered: the names of the projections that show many events at a time.
    """
    return Levels(
        prompt=_by_position(one for one in checkpoints if one.name not in gathered),
        gathered=_by_position(one for one in checkpoints if one.name in gathered),
        whole=_by_position(checkpoints),
    )


def _by_position(checkpoints: Iterable[Checkpoint]) -> tuple[Level, ...]:
    levels: dict[int, list[Checkpoint]] = {}
    for one in checkpoints:
        levels.setdefault(one.position, []).append(one)
    return tuple((at, tuple(levels[at])) for at in sorted(levels))
