"""Many who ask the same at once are answered by one reading; it belongs to none of them, so none can break it off."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeAlias, TypeVar

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


Read: TypeAlias = Callable[[Flight], Awaitable[ResultT]]


class _Awaited(Flight, Generic[ResultT]):
    """With what those who wait for it will hear, and when at the latest."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self.deadline: asyncio.TimerHandle | None = None


class SingleFlight(Generic[ResultT]):
    """Readings under way, by what they read."""

    def __init__(
        self,
        *,
        max_flights: int = _MAX_FLIGHTS,
        open_seconds: float = OPEN_SECONDS,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        self._flights: dict[Hashable, _Awaited[ResultT]] = {}
        self._tasks: dict[asyncio.Task[ResultT], _Awaited[ResultT]] = {}
        self._max_flights = max_flights
        self._open_seconds = open_seconds
        self._finish_seconds = finish_seconds

    async def join(self, key: Hashable, read: Read[ResultT]) -> ResultT:
        """The result of the reading under way, or of a new one.

        Raises:
            DatabaseUnavailableError: the database does not answer in time, or too much is under way.
        """
        flight = self._flights.get(key) or self._start(key, read)
        return await asyncio.shield(flight.outcome)

    async def start(self, key: Hashable, read: Read[ResultT]) -> ResultT:
        """The result of a reading that begins now, which others may join; raises as `join` does."""
        return await asyncio.shield(self._start(key, read).outcome)

    async def aclose(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def _start(self, key: Hashable, read: Read[ResultT]) -> _Awaited[ResultT]:
        if len(self._tasks) >= self._max_flights:
            raise DatabaseUnavailableError("too much is being read at once; try again")
        flight: _Awaited[ResultT] = _Awaited()
        task = asyncio.create_task(_run(read, flight), name="read table")
        self._flights[key] = flight
        self._tasks[task] = flight
        task.add_done_callback(lambda done: self._ended(key, done))
        flight.deadline = asyncio.get_running_loop().call_later(self._open_seconds, self._late, key, task, flight)
        return flight

    def _late(self, key: Hashable, task: asyncio.Task[ResultT], flight: _Awaited[ResultT]) -> None:
        """One whose database has shown that it is there may go on for a while; nobody waits longer for another."""
        if flight.opened:
            flight.deadline = asyncio.get_running_loop().call_later(self._finish_seconds, self._give_up, key, task)
        else:
            self._give_up(key, task)

    def _give_up(self, key: Hashable, task: asyncio.Task[ResultT]) -> None:
        # Those who wait are told at once: they do not wait for what the reading must tidy up.
        self._leave(key, self._tasks[task], _out_of_time())
        task.cancel()

    def _ended(self, key: Hashable, task: asyncio.Task[ResultT]) -> None:
        flight = self._tasks.pop(task)
        if flight.deadline is not None:
            flight.deadline.cancel()
        error = _out_of_time() if task.cancelled() else task.exception()
        self._leave(key, flight, error)
        if not flight.outcome.done():
            flight.outcome.set_result(task.result())

    def _leave(self, key: Hashable, flight: _Awaited[ResultT], error: BaseException | None) -> None:
        """Whoever asks from now on has a reading of their own; with an error those who wait are told so."""
        if self._flights.get(key) is flight:
            del self._flights[key]
        if error is not None and not flight.outcome.done():
            flight.outcome.set_exception(error)
            flight.outcome.exception()  # seen, also when everybody who waited has gone


async def _run(read: Read[ResultT], flight: Flight) -> ResultT:
    return await read(flight)


def _out_of_time() -> DatabaseUnavailableError:
    return DatabaseUnavailableError("the database is not answering in time; try again")
