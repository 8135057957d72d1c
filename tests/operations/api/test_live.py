"""The stream: one look for all who watch, only while somebody does, and the truth when the databases are away."""

import asyncio
from datetime import UTC, datetime

import pytest

from operations.api.live import LiveOverview
from operations.projecting.overview import Overview
from operations.projecting.state import Work
from shared_kernel.errors import UnavailableError
from shared_kernel.http.health import Draining
from tests.eventually import eventually


class Looks:
    """Counts looks; raises what it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.fails: Exception | None = None

    async def look(self) -> Overview:
        """One."""
        self.count += 1
        if self.fails is not None:
            raise self.fails
        return Overview(
            at=datetime(2026, 3, 1, tzinfo=UTC),
            projections=(),
            stores=(),
            stores_behind=0,
            stores_total=0,
            work=Work(workers=0, owned_shards=0),
            workers=(),
            free_shards=(),
            requests=(),
            builds=(),
            paused=(),
        )


async def test_many_watch_and_one_looks() -> None:
    """And nobody looks once they have left."""
    looks = Looks()
    live = LiveOverview(looks.look, draining=Draining(), interval_seconds=0.01)
    streams = [live.stream() for _ in range(5)]
    for stream in streams:
        assert await anext(stream) == b"retry: 250\n\n"
    frames = await asyncio.gather(*(anext(stream) for stream in streams))
    assert {frame.partition(b"\n")[0] for frame in frames} == {b"event: overview"}
    assert looks.count < 5
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]  # an asynchronous generator

    async def still() -> bool:
        before = looks.count
        await asyncio.sleep(0.05)
        return looks.count == before

    await eventually(still)
    assert live.watching == 0


async def test_databases_that_are_away_are_told() -> None:
    """Old figures would look like new ones."""
    looks = Looks()
    looks.fails = ConnectionRefusedError()
    live = LiveOverview(looks.look, draining=Draining(), interval_seconds=0.01)
    stream = live.stream()
    await anext(stream)
    assert await anext(stream) == b'event: away\ndata: {"reason":"ConnectionRefusedError"}\n\n'
    looks.fails = None

    async def frame() -> bytes:
        return await anext(stream)

    await eventually(frame, lambda one: one.startswith(b"event: overview"))
    await stream.aclose()  # type: ignore[attr-defined]  # as above


async def test_a_process_that_ends_ends_its_streams() -> None:
    """Or nobody could stop it."""
    draining = Draining()
    live = LiveOverview(Looks().look, draining=draining, interval_seconds=0.01)
    stream = live.stream()
    await anext(stream)
    await anext(stream)
    draining.begin()
    async with asyncio.timeout(30):
        assert len([frame async for frame in stream]) <= 1


async def test_there_is_an_end_to_the_streams_of_a_process() -> None:
    """The next one is told to come back later."""
    live = LiveOverview(Looks().look, draining=Draining(), interval_seconds=0.01)
    streams = [live.stream() for _ in range(64)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(UnavailableError):
        live.stream()
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]  # as above
    await live.aclose()
