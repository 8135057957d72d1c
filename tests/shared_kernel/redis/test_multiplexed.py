"""MultiplexedRedis against a real Valkey."""

import asyncio
from pathlib import Path

import pytest
import redis.asyncio
import uvloop

from shared_kernel.redis.address import RedisAddress
from shared_kernel.redis.errors import (
    RedisAway,
    RedisRefused,
    RedisReplyError,
    RedisSaturated,
    RedisTimeout,
    RedisUnavailable,
)
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.shared_kernel.redis.misbehaving import serving
from tests.shared_kernel.redis.stoppable import StoppableValkey

# A busy machine must not turn these into tests of its speed.
PATIENT = ConnectionLimits(timeout_seconds=10, stall_seconds=10, connect_seconds=10)


async def test_replies_are_of_every_type(valkey: StoppableValkey) -> None:
    """Status and bulk replies are bytes, integers int, arrays lists, and nothing None."""
    async with MultiplexedRedis.from_url(valkey.url, limits=PATIENT) as client:
        await client.connect()
        assert await client.call("SET", "types", "é\0", "PX", 60_000) == b"OK"
        assert await client.call("GET", b"types") == "é\0".encode()
        assert await client.call("GET", "types:absent") is None
        assert await client.call("STRLEN", "types") == 3
        assert await client.call("MGET", "types", "types:absent") == ["é\0".encode(), None]


async def test_an_error_reply_is_raised_by_call_and_kept_in_its_place_by_pipeline(valkey: StoppableValkey) -> None:
    """One wrong command in a pipeline does not hide the other replies."""
    async with MultiplexedRedis.from_url(valkey.url, limits=PATIENT) as client:
        await client.connect()
        await client.call("SET", "text", "x")
        with pytest.raises(RedisReplyError, match="WRONGTYPE"):
            await client.call("LPUSH", "text", "y")
        first, wrong, last = await client.pipeline([("ECHO", 1), ("LPUSH", "text", "y"), ("ECHO", 2)])
        assert (first, last) == (b"1", b"2")
        assert isinstance(wrong, RedisReplyError)
        assert not isinstance(wrong, RedisUnavailable)
        assert await client.pipeline([]) == []


async def test_what_one_tick_asks_goes_out_in_one_write(valkey: StoppableValkey) -> None:
    """A hundred concurrent callers cost the server one read, not a hundred."""
    async with MultiplexedRedis.from_url(valkey.url, limits=PATIENT) as client:
        await client.connect()
        before = await _statistic(client, b"total_reads_processed")
        assert await asyncio.gather(*(client.call("ECHO", n) for n in range(100))) == [b"%d" % n for n in range(100)]
        assert await _statistic(client, b"total_reads_processed") - before <= 3


async def _statistic(client: MultiplexedRedis, name: bytes) -> int:
    info = await client.call("INFO", "stats")
    assert isinstance(info, bytes)
    fields = dict(line.split(b":", 1) for line in info.split(b"\r\n") if b":" in line)
    return int(fields[name])


async def test_the_url_names_the_database_and_the_connection_names_the_client(valkey: StoppableValkey) -> None:
    """SELECT and CLIENT SETNAME happen before anybody's command."""
    address = RedisAddress(host="127.0.0.1", port=valkey.port, password=valkey.password, database=3)
    async with (
        MultiplexedRedis(address, limits=PATIENT, client_name="named-by-test") as third,
        MultiplexedRedis.from_url(valkey.url, limits=PATIENT) as zeroth,
    ):
        await third.connect()
        await zeroth.connect()
        await third.call("SET", "only-in-three", 1)
        assert await zeroth.call("EXISTS", "only-in-three") == 0
        async with redis.asyncio.Redis.from_url(valkey.url) as looking:
            names = {client["name"] for client in await looking.client_list()}
        assert {"named-by-test", "shelfwise"} <= names


async def test_a_unix_socket_serves_as_well(valkey: StoppableValkey, tmp_path: Path) -> None:
    """unix:// connects to the path; a relay stands in for a server that listens there."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", valkey.port)
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        await there_writer.wait_closed()

    async with serving(relay, path=tmp_path / "redis.sock") as url:
        url_with_password = url.replace("unix://", f"unix://:{valkey.password}@")
        client = MultiplexedRedis.from_url(url_with_password, limits=PATIENT)
        await client.connect()
        assert await client.call("ECHO", "through a path") == b"through a path"
        await client.aclose()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65_536):
        sink.write(chunk)
    sink.close()


@pytest.mark.parametrize("command", ["SUBSCRIBE", "blpop", b"Select", "CLIENT", "MULTI"])
async def test_commands_that_would_change_the_connection_for_others_are_refused(
    valkey: StoppableValkey, command: str | bytes
) -> None:
    """After a SUBSCRIBE, replies would reach the wrong callers."""
    async with MultiplexedRedis.from_url(valkey.url, limits=PATIENT) as client:
        await client.connect()
        with pytest.raises(ValueError, match="connection of its own"):
            await client.call(command, "x")
        with pytest.raises(ValueError, match="connection of its own"):
            await client.pipeline([("ECHO", "x"), (command, "x")])
        assert client.in_flight == 0


async def test_past_the_bound_in_flight_a_call_fails_at_once_and_harms_nobody(valkey: StoppableValkey) -> None:
    """Four fit, the fifth is refused without being sent, and there is room again after the replies."""
    limits = ConnectionLimits(max_in_flight=4, timeout_seconds=10, stall_seconds=10, connect_seconds=10)
    async with MultiplexedRedis.from_url(valkey.url, limits=limits) as client:
        await client.connect()
        outcomes = await asyncio.gather(*(client.call("ECHO", n) for n in range(5)), return_exceptions=True)
        assert outcomes[:4] == [b"0", b"1", b"2", b"3"]
        assert isinstance(outcomes[4], RedisSaturated)
        assert await client.pipeline([("ECHO", n) for n in range(4)]) == outcomes[:4]
        with pytest.raises(ValueError, match="at most 4"):
            await client.pipeline([("ECHO", n) for n in range(5)])
        assert client.in_flight == 0


async def test_a_slow_command_times_out_for_its_caller_and_its_late_reply_reaches_nobody(
    valkey: StoppableValkey,
) -> None:
    """The next caller gets its own answer on the same connection."""
    limits = ConnectionLimits(timeout_seconds=0.05, stall_seconds=10, connect_seconds=10)
    async with MultiplexedRedis.from_url(valkey.url, limits=limits) as client:
        await client.connect()
        connections = await _statistic(client, b"total_connections_received")
        busy = "for i = 1, 3e7 do end return 'late'"
        for _ in range(3):  # each late reply leaves the next caller its own full timeout, and no more
            with pytest.raises(RedisTimeout):
                await client.call("EVAL", busy, 0)
            assert client.in_flight == 1
            async with asyncio.timeout(30):
                while client.in_flight:
                    await asyncio.sleep(0.005)
        assert await client.call("ECHO", "mine") == b"mine"
        assert await _statistic(client, b"total_connections_received") == connections


async def test_a_server_that_may_not_write_is_unavailable_and_not_a_bug(valkey: StoppableValkey) -> None:
    """READONLY after a failover is a RedisUnavailable, so callers go on without Redis."""
    async with MultiplexedRedis.from_url(valkey.url, limits=PATIENT) as client:
        await client.connect()
        await client.call("REPLICAOF", "127.0.0.1", 1)
        try:
            with pytest.raises(RedisRefused, match="READONLY") as caught:
                await client.call("SET", "k", "v")
            assert isinstance(caught.value, RedisUnavailable)
            assert "READONLY" not in caught.value.detail
        finally:
            await client.call("REPLICAOF", "NO", "ONE")


async def test_the_first_use_starts_connecting_and_does_not_wait(valkey: StoppableValkey) -> None:
    """Whoever comes before the connection is told at once; later ones are served."""
    client = MultiplexedRedis.from_url(valkey.url, limits=PATIENT)
    assert not client.connected
    with pytest.raises(RedisAway):
        await client.call("PING")
    await client.connect()
    assert await client.call("PING") == b"PONG"
    await client.aclose()


async def test_closing_fails_what_is_in_flight_and_what_comes_after(valkey: StoppableValkey) -> None:
    """Nobody is left waiting, and the client does not come back to life."""
    client = MultiplexedRedis.from_url(valkey.url, limits=PATIENT)
    await client.connect()
    waiting = [asyncio.create_task(client.call("ECHO", n)) for n in range(3)]
    await asyncio.sleep(0)  # let them queue
    assert client.in_flight == 3
    await client.aclose()
    assert [type(outcome) for outcome in await asyncio.gather(*waiting, return_exceptions=True)] == [RedisAway] * 3
    for _ in range(2):
        with pytest.raises(RedisAway, match="closed"):
            await client.call("PING")
    with pytest.raises(RedisAway, match="closed"):
        await client.connect()
    await client.aclose()


async def test_a_wrong_password_is_never_connected(valkey: StoppableValkey) -> None:
    """connect() gives up within its bound, and so does closing."""
    limits = ConnectionLimits(connect_seconds=0.3)
    url = f"redis://:wrong@127.0.0.1:{valkey.port}"
    async with MultiplexedRedis.from_url(url, limits=limits) as client:
        with pytest.raises(RedisAway):
            await client.connect()
        assert not client.connected


def test_uvloop_behaves_the_same(valkey: StoppableValkey) -> None:
    """Calls, errors, timeouts and closing on the loop that production runs on."""

    async def scenario() -> None:
        limits = ConnectionLimits(timeout_seconds=0.05, stall_seconds=10, connect_seconds=10)
        async with MultiplexedRedis.from_url(valkey.url, limits=limits) as client:
            await client.connect()
            assert await asyncio.gather(*(client.call("ECHO", n) for n in range(50))) == [b"%d" % n for n in range(50)]
            with pytest.raises(RedisReplyError):
                await client.call("NOSUCHCOMMAND")
            # The loop itself is held up: the replies lie in the socket when the timer is due, and must count.
            held_up = [asyncio.create_task(client.call("ECHO", n)) for n in range(3)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            _hold_up(0.2)
            assert await asyncio.gather(*held_up) == [b"0", b"1", b"2"]
        with pytest.raises(RedisAway):
            await client.call("PING")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def _hold_up(seconds: float) -> None:
    import time  # noqa: PLC0415 - the only blocking call in this file, and meant to be

    time.sleep(seconds)  # the hold-up is what is tested, nothing is waited for
