"""Many who ask the same at once are answered by one reading; it belongs to none of them, so none can break it off."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from shared_kernel.database.transactions import DatabaseUnavailableError

ResultT = TypeVar("ResultT")

OPEN_SECONDS: Final = 1.8
"""To get a connection and a first reply from it: the contract says 503 within two seconds."""
FINISH_SECONDS: Final = 9.0
"""To read what was asked for, once the database has shown that it is there; statements end after eight."""
_MAX_FLIGHTS: Final = 256
"""Readings at once, most of them waiting for one of the pool's connections."""


class Flight:
    """One reading under way."""

    def __init__(self) -> None:
        self.opened = False

    def open(self) -> None:
        """The database has answered; what remains may take longer."""
        self.opened = True


class SingleFlight(Generic[ResultT]):
    """Readings under way, by what they read."""

    def __init__(
        self,
        *,
        max_flights: int = _MAX_FLIGHTS,
        open_seconds: float = OPEN_SECONDS,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        self._flights: dict[Hashable, asyncio.Task[ResultT]] = {}
        self._opened: dict[asyncio.Task[ResultT], Flight] = {}
        self._max_flights = max_flights
        self._open_seconds = open_seconds
        self._finish_seconds = finish_seconds

    async def join(self, key: Hashable, read: Callable[[Flight], Awaitable[ResultT]]) -> ResultT:
        """The result of the reading under way, or of a new one.

        Raises:
            DatabaseUnavailableError: the database does not answer in time, or too much is under way.
        """
        task = self._flights.get(key)
        return await self._wait(key, self._start(key, read) if task is None else task)

    async def start(self, key: Hashable, read: Callable[[Flight], Awaitable[ResultT]]) -> ResultT:
        """The result of a reading that begins now, which others may join; raises as `join` does."""
        return await self._wait(key, self._start(key, read))

    async def aclose(self) -> None:
        """End what is under way."""
        tasks = list(self._opened)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def _start(self, key: Hashable, read: Callable[[Flight], Awaitable[ResultT]]) -> asyncio.Task[ResultT]:
        if len(self._opened) >= self._max_flights:
            raise DatabaseUnavailableError("too much is being read at once; try again")
        flight = Flight()
        task = asyncio.create_task(_run(read, flight), name="read table")
        self._flights[key] = task
        self._opened[task] = flight
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: Hashable, task: asyncio.Task[ResultT]) -> None:
        self._opened.pop(task, None)
        self._leave(key, task)
        if not task.cancelled():
            task.exception()  # seen, also when everybody who waited has gone

    def _leave(self, key: Hashable, task: asyncio.Task[ResultT]) -> None:
        if self._flights.get(key) is task:
            del self._flights[key]

    async def _wait(self, key: Hashable, task: asyncio.Task[ResultT]) -> ResultT:
        # `wait` neither cancels the reading with the one who waits, nor waits for what the reading must tidy up.
        done, _ = await asyncio.wait({task}, timeout=self._open_seconds)
        flight = self._opened.get(task)
        if not done and flight is not None and flight.opened:
            done, _ = await asyncio.wait({task}, timeout=self._finish_seconds)
        if not done or task.cancelled():
            self._leave(key, task)
            task.cancel()
            raise DatabaseUnavailableError("the database is not answering in time; try again")
        return task.result()


async def _run(read: Callable[[Flight], Awaitable[ResultT]], flight: Flight) -> ResultT:
    return await read(flight)
