"""Where readers sit who wait for a position, and how the projector's word wakes those whom it concerns."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import msgspec

from read_side.query_execution.asking import Asked
from shared_kernel.redis.shown import read_shown, tenant_mark, tenant_of

DEFAULT_MAX_WAITERS: Final = 256
"""Half of what a process answers at once: at 50 ms a look 5,000 looks a second, none with an answer before its time."""
_GROWTH: Final = 1.5


class Pauses(msgspec.Struct, frozen=True, kw_only=True):
    """Between looks, in seconds; all but the table's grow from the first to the last.

    Attributes:
        first_heard, last_heard: while the projector's word arrives: these looks are for what was lost.
        first_unheard, last_unheard: while it does not; a projector shows a commit after some milliseconds.
        table: between looks at PostgreSQL while Redis has nothing to say.
        table_beside: between looks at PostgreSQL while Redis speaks: it may have stopped being written to.
    """

    first_heard: float = 0.05
    last_heard: float = 0.25
    first_unheard: float = 0.002
    last_unheard: float = 0.05
    table: float = 0.05
    table_beside: float = 0.5


DEFAULT_PAUSES: Final = Pauses()


class Sleeper:
    """Somebody who sleeps until woken; being woken before is not lost."""

    __slots__ = ("_is_woken", "_sleep")

    def __init__(self) -> None:
        self._is_woken = False
        self._sleep: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """End the sleep, or the next one before it begins."""
        self._is_woken = True
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Until woken, or for so long."""
        if not self._is_woken:
            loop = asyncio.get_running_loop()
            self._sleep = loop.create_future()
            timer = loop.call_later(seconds, self.wake)
            try:
                await self._sleep
            finally:
                timer.cancel()
                self._sleep = None
        self._is_woken = False


class Place(Sleeper):
    """One reader's: taken before it looks, so that what is said between the look and the waiting is not missed."""

    __slots__ = ("_room", "asked")

    def __init__(self, room: "WaitingRoom", asked: Asked) -> None:
        super().__init__()
        self.asked = asked
        self._room = room

    def __enter__(self) -> Self:
        self._room.seat(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.leave(self)


class WaitingRoom:
    """The places of this process, by the store they wait for; who does not wait takes none.

    Args:
        max_waiters: how many may wait at once.
        pauses: between their looks.
    """

    def __init__(self, *, max_waiters: int = DEFAULT_MAX_WAITERS, pauses: Pauses = DEFAULT_PAUSES) -> None:
        self.max_waiters = max_waiters
        self.pauses = pauses
        self._places: dict[bytes, set[Place]] = {}
        self._listeners: dict[bytes, set[Sleeper]] = {}
        self._hears = False

    @property
    def taken(self) -> int:
        """How many places are."""
        return sum(map(len, self._places.values()))

    def place(self, asked: Asked) -> Place:
        """A place for one who is ready to wait; it is theirs for the length of a block."""
        return Place(self, asked)

    @contextmanager
    def listening(self, tenant_id: UUID) -> Iterator[Sleeper]:
        """Somebody who is woken by all that is said of a store, for a block; whoever is seated so waits for nothing."""
        mark, sleeper = tenant_mark(tenant_id), Sleeper()
        listeners = self._listeners.setdefault(mark, set())
        listeners.add(sleeper)
        try:
            yield sleeper
        finally:
            listeners.discard(sleeper)
            if not listeners and self._listeners.get(mark) is listeners:
                del self._listeners[mark]

    def hear(self, message: bytes) -> None:
        """Wake those who wait for what is said to be shown, those who listen to its store, and nobody else."""
        mark = tenant_of(message)
        for sleeper in self._listeners.get(mark, ()):
            sleeper.wake()
        places = self._places.get(mark)
        if places is None:
            return
        try:
            furthest, behind = read_shown(message)
        except ValueError:  # another release may say it differently; whoever waits looks by themselves in a while
            return
        for place in places:
            minimum = place.asked.minimum_position
            if minimum is None or minimum <= behind.get(place.asked.view.label, furthest):
                place.wake()

    def begin_to_hear(self) -> None:
        """From now on nothing is missed; what was, all see for themselves once."""
        self._hears = True
        self._wake_all()

    def hear_no_more(self) -> None:
        """From now on what is said is missed: all look more often."""
        self._hears = False
        self._wake_all()

    def pause_after(self, pause_seconds: float) -> float:
        """How long to sleep before the next look, after the pause before the last; 0 before the first."""
        pauses = self.pauses
        if self._hears:
            return min(max(pauses.first_heard, pause_seconds * _GROWTH), pauses.last_heard)
        return min(max(pauses.first_unheard, pause_seconds * _GROWTH), pauses.last_unheard)

    def seat(self, place: Place) -> None:
        """From now on the place is woken."""
        if place.asked.wait_seconds > 0:
            self._places.setdefault(tenant_mark(place.asked.tenant_id), set()).add(place)

    def leave(self, place: Place) -> None:
        """The place is free again."""
        mark = tenant_mark(place.asked.tenant_id)
        places = self._places.get(mark)
        if places is not None:
            places.discard(place)
            if not places:
                del self._places[mark]

    def _wake_all(self) -> None:
        for sleeper in chain(*self._places.values(), *self._listeners.values()):
            sleeper.wake()
