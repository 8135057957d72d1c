"""Places to send from: few, for receivers that answer soon; whoever does not gives up their own and waits elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_AT_A_TIME: Final = 48
_FAILING_AT_A_TIME: Final = 16
"""Receivers that failed last time share places of their own: however many hang, the others' places are free."""
_SLOW_AT_A_TIME: Final = 256
"""A connection each, and nothing else; the system lets a process have a thousand."""
MOST_AT_A_TIME: Final = _AT_A_TIME + _FAILING_AT_A_TIME + _SLOW_AT_A_TIME
QUICK_SECONDS: Final = 0.5
"""By then a receiver has answered, or its place is another's: dead ones, all for the first time, delay none longer."""


class Place:
    """One of them, while a receiver is being served."""

    def __init__(self, held: asyncio.Semaphore, slow: asyncio.Semaphore) -> None:
        self._held = held
        self._slow = slow
        self.is_slow = False

    async def take(self) -> None:
        """Wait for it."""
        await self._held.acquire()

    async def give_way(self) -> bool:
        """Go on among the slow, if there is room; whether there was."""
        if self.is_slow or self._slow.locked():
            return False
        await self._slow.acquire()  # at once
        self._held.release()
        self._held, self.is_slow = self._slow, True
        return True

    def leave(self) -> None:
        """It is somebody else's."""
        self._held.release()


class Places:
    """Those of one worker."""

    def __init__(self) -> None:
        self._quick = asyncio.Semaphore(_AT_A_TIME)
        self._failing = asyncio.Semaphore(_FAILING_AT_A_TIME)
        self._slow = asyncio.Semaphore(_SLOW_AT_A_TIME)

    @asynccontextmanager
    async def one(self, *, is_failing: bool) -> AsyncIterator[Place]:
        """A place for the block."""
        place = Place(self._failing if is_failing else self._quick, self._slow)
        await place.take()
        try:
            yield place
        finally:
            place.leave()
