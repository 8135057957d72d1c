"""A client may send any command again, at any time, after any failure: it happens once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import pytest

from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.errors import InFlightError
from tests.builders.write_side import SilentDoorbell, WriteSide, claim, open_write_side, order_command
from tests.servers import Servers
from write_side.command_execution.errors import OutcomeUnknownError
from write_side.command_execution.execution import CommandExecution
from write_side.orders.placing import place_order

_COMMIT = b"COMMIT\x00"
_MAX_TRIES = 200


class CommitEater:
    """Stands before PostgreSQL; while armed, lets a COMMIT through and breaks the connection instead of the answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._parts = parts
        self._port = 0
        self.is_armed = False
        self.eaten = 0

    @property
    def url(self) -> str:
        """The same server, through this."""
        login = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    @asynccontextmanager
    async def standing(self) -> AsyncIterator["CommitEater"]:
        """For the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away_reader, away_writer = await asyncio.open_connection(*self._target)
        answering = asyncio.create_task(_pump(away_reader, writer))
        try:
            while chunk := await reader.read(1 << 20):
                is_last = self.is_armed and _COMMIT in chunk
                if is_last:
                    answering.cancel()
                    await asyncio.wait({answering})
                away_writer.write(chunk)
                await away_writer.drain()
                if is_last:
                    await away_reader.read(1)  # it has committed by the time it answers
                    self.is_armed = False
                    self.eaten += 1
                    return
        finally:
            answering.cancel()
            writer.transport.abort()
            away_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1 << 20):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@pytest.fixture
async def side(servers: Servers) -> AsyncIterator[WriteSide]:
    """A store in a database of its own."""
    async with open_write_side(servers) as opened:
        yield opened


async def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(side: WriteSide) -> None:
    """The client hears that nobody knows; the same request, sent again, has the answer of the first."""
    location, edition = await side.location(), await side.edition()
    await side.receive(location, edition, 10)
    place = partial(place_order, order_command(location, [(edition, 1)]))
    request = side.request(idempotency=claim("lost"))
    bounds = PoolSettings(application_name="tests", max_size=2)
    async with (
        CommitEater(side.servers.url_as(DatabaseRole.WRITE_API)).standing() as eater,
        build_pool(eater.url, bounds) as pool,
    ):
        execution = CommandExecution(pool=pool, doorbell=SilentDoorbell())
        eater.is_armed = True
        with pytest.raises(OutcomeUnknownError):
            await execution.execute(request, place)
        assert eater.eaten == 1
        answer = await execution.execute(request, place)
        assert answer.replayed
        await execution.aclose()
    assert [one.type for one in await side.log()].count("OrderPlaced") == 1


@pytest.mark.parametrize(
    ("requests", "keys"), [(1_000, 10), pytest.param(10_000, 100, marks=pytest.mark.saga_campaign)]
)
async def test_racing_duplicates_make_one_effect_a_key(side: WriteSide, requests: int, keys: int) -> None:
    """All of them are answered, and alike; those in flight are told to come again."""
    location, edition = await side.location(), await side.edition()
    await side.receive(location, edition, 1_000)
    place = partial(place_order, order_command(location, [(edition, 1)]))
    room = asyncio.Semaphore(40)

    async def one(number: int) -> tuple[int, bytes]:
        request = side.request(idempotency=claim(f"key {number % keys}"))
        for _ in range(_MAX_TRIES):
            try:
                async with room:
                    return number % keys, (await side.execution.execute(request, place)).data
            except InFlightError:
                await asyncio.sleep(0.01)
        raise AssertionError

    answers = await asyncio.gather(*(one(number) for number in range(requests)))
    assert len(set(answers)) == keys
    assert [event.type for event in await side.log()].count("OrderPlaced") == keys
