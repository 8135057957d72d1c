"""A reading belongs to none of those who wait for it."""

import asyncio

import pytest

from read_side.query_execution.single_flight import Flight, SingleFlight
from shared_kernel.database.transactions import DatabaseUnavailableError


class Readings:
    """Readings that end when told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()

    async def read(self, flight: Flight) -> int:
        """Its own number."""
        self.begun += 1
        number = self.begun
        flight.open()
        await self.gate.wait()
        return number


async def test_a_leader_that_leaves_fails_nobody() -> None:
    """The client that asked first may hang up."""
    flights: SingleFlight[int] = SingleFlight()
    readings = Readings()
    leader = asyncio.create_task(flights.join("key", readings.read))
    followers = [asyncio.create_task(flights.join("key", readings.read)) for _ in range(3)]
    while not readings.begun:
        await asyncio.sleep(0)

    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    readings.gate.set()

    assert await asyncio.gather(*followers) == [1, 1, 1]
    assert leader.cancelled()
    assert readings.begun == 1


async def test_what_begins_now_is_not_what_began_before() -> None:
    """Whoever needs fresh rows does not get those of a snapshot taken earlier; later ones may join it."""
    flights: SingleFlight[int] = SingleFlight()
    readings = Readings()
    old = asyncio.create_task(flights.join("key", readings.read))
    await asyncio.sleep(0)
    fresh = asyncio.create_task(flights.start("key", readings.read))
    await asyncio.sleep(0)
    joined = asyncio.create_task(flights.join("key", readings.read))
    await asyncio.sleep(0)
    readings.gate.set()

    assert [*await asyncio.gather(old, fresh, joined)] == [1, 2, 2]
    assert await flights.join("key", readings.read) == 3


async def test_a_failure_is_everybodys_and_is_not_remembered() -> None:
    """The next one reads again."""
    flights: SingleFlight[int] = SingleFlight()
    readings = Readings()
    readings.gate.set()

    async def fail(_flight: Flight) -> int:
        await asyncio.sleep(0)
        raise DatabaseUnavailableError("away")

    failed = await asyncio.gather(*(flights.join("key", fail) for _ in range(2)), return_exceptions=True)

    assert [type(one) for one in failed] == [DatabaseUnavailableError, DatabaseUnavailableError]
    assert await flights.join("key", readings.read) == 1


async def test_readings_are_bounded_in_number_and_time() -> None:
    """Past either, the answer is that the database is not there."""
    flights: SingleFlight[int] = SingleFlight(max_flights=1, open_seconds=0.02, finish_seconds=0.02)
    readings = Readings()

    waiting = asyncio.create_task(flights.join("one", readings.read))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailableError, match="too much"):
        await flights.join("two", readings.read)
    with pytest.raises(DatabaseUnavailableError, match="in time"):
        await waiting

    await flights.aclose()
    readings.gate.set()
    assert await flights.join("two", readings.read) == 2
