"""Redis holds what was written through by whoever has the lease, and nothing else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import redis

from projections.runtime.batch import CachedRow
from projections.runtime.cache import TenantCache
from projections.runtime.checkpoints import BuildId, Checkpoint
from projections.runtime.errors import LeaseLostError
from projections.runtime.leases import Lease
from shared_kernel.background import beside
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import SHOWN_CHANNEL, TenantKeys
from shared_kernel.redis.listening import Listener
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import Command, Reply
from shared_kernel.redis.shown import encode_shown
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import Runtime, dump_redis, open_runtime, projected, running_projector
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers, own_valkey

STORE = id_of("one")
BUILD = BuildId(name="tally", version=1, build=1)


def checkpoint(position: int) -> Checkpoint:
    """The store's tally at a position."""
    return Checkpoint(
        tenant_id=STORE, name="tally", version=1, build=1, mode="live", position=position, as_of=None,
        revision=position, rows=1, parked=0,
    )  # fmt: skip


def row(position: int) -> CachedRow:
    """One channel's row at a position."""
    return CachedRow(build=BUILD, key="web", position=position, body=b"%d copies" % position)


async def write(cache: TenantCache, position: int) -> None:
    """Write the row and the state of a position through."""
    await cache.write({STORE: [checkpoint(position)]}, {STORE: [row(position)]})


def cache_of(runtime: Runtime, lease: Lease) -> TenantCache:
    """The write-through under a lease."""
    return TenantCache(redis=runtime.redis, pool=runtime.read_pool, lease=lease)


def shown(servers: Servers) -> tuple[str | None, list[bytes]]:
    """The position readers are told of, and the rows under the incarnation they are told of."""
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        state = client.hgetall(TenantKeys(STORE).state_key())
        mark = state.get(b"i", b"none").decode()
        keys = sorted(client.keys(f"*:row:{mark}:*"))
        return state[b"tally@1"].decode().split("|")[2] if state else None, [client.get(key) for key in keys]


async def test_rows_states_and_tombstones_are_written_through(servers: Servers) -> None:
    """An entity's row in Redis says at which event it is; deleted, it says that too."""
    log = OrderLog(STORE)
    log.place("a", [line(EMMA, 2)], channel="web")
    gone = log.place("b", [line(EMMA)], channel="pos")
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers, projections=(tally(),)):
        await eventually(lambda: seen(servers), lambda found: found[0] == "2")
        web = msgspec.json.encode({"channel": "web", "copies": 2, "last": "SW-a"})
        pos = msgspec.json.encode({"channel": "pos", "copies": 1, "last": "SW-b"})
        assert shown(servers)[1] == [b"2|" + pos, b"1|" + web]
        log.cancel(gone)
        await write_log(servers.write_admin_url, log.events[2:])
        await eventually(lambda: seen(servers), lambda found: found[0] == "3")
        assert shown(servers)[1] == [b"3|", b"1|" + web]


async def test_an_older_row_is_refused(servers: Servers) -> None:
    """Whatever order writes arrive in, the newest row stays."""
    async with open_runtime(servers, (tally(),)) as runtime:
        cache = cache_of(runtime, await runtime.lease(shard_of(STORE)))
        await write(cache, 5)
        await write(cache, 4)
    assert shown(servers)[1] == [b"5|5 copies"]


async def test_what_is_shown_is_said(servers: Servers) -> None:
    """One message a write, heard when the state is there; none where Redis refused it, as after a flush."""
    heard: asyncio.Queue[tuple[bytes, str | None]] = asyncio.Queue()
    begun = asyncio.Event()
    listener = Listener.from_url(
        servers.redis_url,
        {SHOWN_CHANNEL: lambda message: heard.put_nowait((message, shown(servers)[0]))},
        client_name="tests",
        on_begin=begun.set,
    )
    async with open_runtime(servers, (tally(),)) as runtime, beside(listener.run(), name="tests"):
        await asyncio.wait_for(begun.wait(), 60)
        cache = cache_of(runtime, await runtime.lease(shard_of(STORE)))
        await write(cache, 5)
        said = [await asyncio.wait_for(heard.get(), 60)]  # before its state is gone
        flush(servers)
        await write(cache, 6)
        await write(cache, 7)

        said.append(await asyncio.wait_for(heard.get(), 60))
        assert heard.empty()
    assert said == [(encode_shown(STORE, [("tally@1", at)]).encode(), f"{at}") for at in (5, 7)]


async def test_an_overtaken_writer_is_refused(servers: Servers) -> None:
    """Under an older epoch neither a row nor a state is written, and no cache is begun anew."""
    async with open_runtime(servers, (tally(),)) as runtime:
        zombie = cache_of(runtime, await runtime.lease(shard_of(STORE), seconds=0.5))
        await write(zombie, 1)
        lease = await overtaken(runtime)
        holder = cache_of(runtime, lease)
        await write(holder, 2)
        before = dump_redis(servers)
        await write(zombie, 9)
        assert dump_redis(servers) == before
        with pytest.raises(LeaseLostError):
            await write(zombie, 9)
        assert dump_redis(servers) == before
    assert shown(servers) == ("2", [b"2|2 copies"])


async def test_a_flush_is_healed_by_the_holder_and_refused_to_others(servers: Servers) -> None:
    """After FLUSHALL the holder begins a new incarnation; what a zombie writes is refused before and after that."""
    async with open_runtime(servers, (tally(),)) as runtime:
        zombie = cache_of(runtime, await runtime.lease(shard_of(STORE), seconds=0.5))
        await write(zombie, 1)
        holder = cache_of(runtime, await overtaken(runtime))
        await write(holder, 2)
        flush(servers)
        await write(zombie, 1)
        assert dump_redis(servers) == {}
        await write(holder, 3)
        assert dump_redis(servers) == {}, "what was refused is begun anew by the next write"
        await write(holder, 3)
        assert shown(servers) == ("3", [b"3|3 copies"])
        with pytest.raises(LeaseLostError):
            await write(zombie, 9)
    assert shown(servers) == ("3", [b"3|3 copies"])


async def test_a_lost_state_is_begun_anew(servers: Servers) -> None:
    """A state that is evicted alone is not written back over rows that may be old."""
    async with open_runtime(servers, (tally(),)) as runtime:
        cache = cache_of(runtime, await runtime.lease(shard_of(STORE)))
        await write(cache, 1)
        with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
            client.delete(TenantKeys(STORE).state_key())
        await write(cache, 2)
        assert shown(servers) == (None, [])
        await write(cache, 2)
    assert shown(servers) == ("2", [b"2|2 copies"])


class HeldUpRedis(MultiplexedRedis):
    """Redis, reached late: pipelines wait until they are let go."""

    let_go: asyncio.Event
    held_up: asyncio.Event

    async def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Wait, then send."""
        self.held_up.set()
        await self.let_go.wait()
        return await super().pipeline(commands)


async def test_a_cache_is_begun_within_the_lease_or_not_at_all(servers: Servers) -> None:
    """A zombie that had the lease when it asked PostgreSQL, and reaches an empty Redis after losing it, is refused."""
    HeldUpRedis.let_go, HeldUpRedis.held_up = asyncio.Event(), asyncio.Event()
    async with (
        open_runtime(servers, (tally(),)) as runtime,
        open_runtime(servers, (tally(),), redis_client=HeldUpRedis) as slow,
    ):
        zombie = cache_of(slow, await slow.lease(shard_of(STORE), seconds=0.5))
        writing = asyncio.create_task(write(zombie, 1))
        await HeldUpRedis.held_up.wait()
        holder = cache_of(runtime, await overtaken(runtime))
        await write(holder, 2)
        flush(servers)
        HeldUpRedis.let_go.set()
        await writing
        assert dump_redis(servers) == {}


async def test_who_is_forgotten_during_a_write_begins_anew_with_the_next(servers: Servers) -> None:
    """A batch failed beside the one that is written: no state goes where rows may be missing, and no write fails."""
    HeldUpRedis.let_go, HeldUpRedis.held_up = asyncio.Event(), asyncio.Event()
    HeldUpRedis.let_go.set()
    async with open_runtime(servers, (tally(),), redis_client=HeldUpRedis) as runtime:
        cache = cache_of(runtime, await runtime.lease(shard_of(STORE)))
        await write(cache, 1)
        HeldUpRedis.let_go.clear()
        HeldUpRedis.held_up.clear()
        more_than_one_call = [msgspec.structs.replace(row(2), key=f"{number}") for number in range(501)]
        writing = asyncio.create_task(cache.write({STORE: [checkpoint(2)]}, {STORE: more_than_one_call}))
        await HeldUpRedis.held_up.wait()
        cache.forget([STORE])
        HeldUpRedis.let_go.set()
        await writing
        assert shown(servers)[0] == "1"
        await write(cache, 3)
    assert shown(servers) == ("3", [b"3|3 copies"])


async def test_projecting_goes_on_without_redis(servers: Servers, reachable_folder: Path) -> None:
    """While Redis is away tables are kept current; when it is back, readers are told the newest state."""
    with own_valkey(reachable_folder) as (valkey, url):
        without = msgspec.structs.replace(servers, redis_url=url)
        port = valkey.port
        log = OrderLog(STORE)
        log.place("a", [line(EMMA)], channel="web")
        await write_log(servers.write_admin_url, log.events)
        async with running_projector(without, projections=(tally(),)):
            await eventually(lambda: seen(without), lambda found: found[0] == "1")
            valkey.process.terminate()
            valkey.process.wait(10)
            log.place("b", [line(EMMA)], channel="web")
            await write_log(servers.write_admin_url, log.events[1:])
            await projected(servers, projections=1, within_seconds=60)
            with own_valkey(reachable_folder, preferred_port=port):
                await eventually(lambda: seen(without), lambda found: found[0] == "2", within_seconds=60)


async def seen(servers: Servers) -> tuple[str | None, list[bytes]]:
    """`shown`, for waiting."""
    return shown(servers)


async def overtaken(runtime: Runtime) -> Lease:
    """The store's shard, taken as soon as its lease has expired."""

    async def take() -> Lease | None:
        try:
            return await runtime.lease(shard_of(STORE))
        except KeyError:
            return None

    lease = await eventually(take, lambda found: found is not None, within_seconds=60)
    assert lease is not None
    return lease


def flush(servers: Servers) -> None:
    """FLUSHALL."""
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        client.flushall()
