"""One build's rows of one tenant, or of a part of its keys, folded in memory from the first event on. Pure."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Part
from projections.runtime.catalog import Subject
from projections.runtime.describing import describe
from projections.runtime.folding import Failure, key_name
from projections.runtime.key_parts import KeyPart
from projections.runtime.loading.claims import End
from projections.runtime.skipping import Skip, skipping, whole_events
from shared_kernel.views import Key

AnyRow = Any  # rows of every view


class _Parked(msgspec.Struct, gc=False):
    """A key that stops, why, and the positions that wait behind it."""

    error: str
    positions: list[int]


class Filling:
    """What the events taken so far come to."""

    def __init__(self, subject: Subject, tenant_id: UUID, *, part: KeyPart, skips: Collection[Skip]) -> None:
        self.subject = subject
        self.part = part
        self.rows: dict[Key, tuple[AnyRow, int]] = {}
        self._last: AnyRecorded | None = None
        self.is_stopped = False
        self._tenant_id = tenant_id
        self._projection = skipping(subject.projection, skips)
        self._unread = {position for _, position in whole_events(skips)}
        self._key_length = len(subject.projection.view.key)
        self._parked: dict[Key, _Parked] = {}

    @property
    def size(self) -> int:
        """How much it holds: rows, and positions that wait."""
        return len(self.rows) + sum(len(one.positions) for one in self._parked.values())

    @property
    def reached(self) -> End:
        """The last event that it took."""
        last = self._last
        return End(position=0, as_of=None) if last is None else End(position=last.position, as_of=last.recorded_at)

    def take(self, recorded: AnyRecorded) -> None:
        """Evolve the rows that the event touches; one whose fold fails stops there, and what follows waits."""
        if self.is_stopped or type(recorded.event) not in self._projection.handles:
            return
        try:
            touched = [(self._checked(key), part) for key, part in self._projection.touches(recorded)]
        except Exception:  # noqa: BLE001 - accounted for: an ordinary batch stops there again, and says why
            self.is_stopped = True
            return
        if self.part.of > 1:
            touched = [(key, part) for key, part in touched if self.part.holds(key)]
        self._evolve(touched, recorded)
        self._last = recorded

    def _evolve(self, touched: Iterable[tuple[Key, Part]], recorded: AnyRecorded) -> None:
        rows, evolve = self.rows, self._projection.evolve
        for key, part in touched:
            if self._parked and key in self._parked:
                self._parked[key].positions.append(recorded.position)
                continue
            held = rows.get(key)
            row = None if held is None else held[0]
            try:
                after = evolve(row, part, recorded)
            except Exception as error:  # noqa: BLE001 - accounted for: the key is parked and the failure is shown
                self._parked[key] = _Parked(error=describe(error), positions=[recorded.position])
                continue
            if after is None:
                rows.pop(key, None)
            elif after != row or self._projection.sums is not None:
                rows[key] = (after, recorded.position)

    def miss(self, position: int) -> None:
        """An event could not be read: stop before it, unless it was skipped for good."""
        if position not in self._unread:
            self.is_stopped = True

    def halve(self) -> KeyPart:
        """Let half of the keys go; the part they are."""
        self.part, other = self.part.halves()
        holds = self.part.holds
        self.rows = {key: row for key, row in self.rows.items() if holds(key)}
        self._parked = {key: one for key, one in self._parked.items() if holds(key)}
        return other

    def failures(self) -> list[Failure]:
        """The keys that stopped, each at its first position that failed."""
        return [
            Failure(tenant_id=self._tenant_id, key=key_name(key), position=one.positions[0], error=one.error)
            for key, one in self._parked.items()
        ]

    def waiting(self) -> Iterable[tuple[UUID, str, int]]:
        """Every position that waits behind a stopped key."""
        for key, one in self._parked.items():
            name = key_name(key)
            for position in one.positions:
                yield self._tenant_id, name, position

    def _checked(self, key: Key) -> Key:
        if len(key) != self._key_length:
            message = f"a key of {self._key_length} columns is a tuple of as many values"
            raise TypeError(message)
        hash(key)
        return key
