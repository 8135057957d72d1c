"""What shows each event at once does not wait for sums, which show many at a time and are never left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
import redis

from projections.runtime.fault_points import FaultPoint
from projections.runtime.live import LiveRounds
from projections.runtime.shard import Shard
from projections.worker import run_projector
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.state import decode_state
from tests.builders.draining import parts_of
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import (
    assert_identical,
    open_runtime,
    projector_settings,
    running_projector,
    shown_in_redis,
)
from tests.builders.tally import sums, tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")
BOTH = (tally(), sums())
_AN_HOUR = 3_600.0


class Store:
    """A store's log, and how much of it each view has."""

    def __init__(self, servers: Servers, read_admin: asyncpg.Connection) -> None:
        self._servers = servers
        self._read_admin = read_admin
        self._log = OrderLog(STORE)

    async def order(self) -> None:
        """One order more."""
        self._log.place(f"order-{len(self._log.events)}", [line(EMMA)], channel="web")
        await write_log(self._servers.write_admin_url, self._log.events[-1:])

    async def positions(self) -> dict[str, int]:
        """Up to which event each view is folded."""
        rows = await self._read_admin.fetch("SELECT name, position FROM projection.checkpoint")
        return {row["name"]: row["position"] for row in rows}

    async def tallied(self) -> int:
        """Up to which event the tally is folded, which shows each at once."""
        return (await self.positions()).get("tally", 0)

    async def shown(self) -> dict[str, int]:
        """Up to which event readers of Redis are told that they see each view."""
        with redis.Redis.from_url(self._servers.redis_url, socket_timeout=5) as client:
            states = client.hgetall(TenantKeys(STORE).state_key())
        names = {one.view.name: one.view.label.encode() for one in BOTH}
        return {name: decode_state(states[field]).position for name, field in names.items() if field in states}


@pytest.fixture
def store(servers: Servers, read_admin: asyncpg.Connection) -> Store:
    """A store without events."""
    return Store(servers, read_admin)


@asynccontextmanager
async def rounds(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[LiveRounds, int]]:
    """The rounds of the store's shard, begun by nobody but whoever wakes it."""
    monkeypatch.setattr("projections.runtime.live.SWEEP_SECONDS", _AN_HOUR)
    async with open_runtime(servers, BOTH) as runtime:
        parts = parts_of(runtime)
        live = LiveRounds(parts)
        shard = Shard(parts, await runtime.lease(shard_of(STORE)))
        running = asyncio.create_task(live.run())
        live.join(shard)
        yield live, shard.number
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_rounds_do_not_wait_for_sums(servers: Servers, store: Store, read_admin: asyncpg.Connection) -> None:
    """While somebody holds a sum's row, order after order is shown; let go, the sum comes after by itself."""
    await store.order()
    async with running_projector(servers, projections=BOTH):
        await shown_in_redis(servers, projections=2)
        async with read_admin.transaction():
            await read_admin.execute("SELECT 1 FROM read.sums__v1 FOR UPDATE")
            for number in (2, 3):
                await store.order()
                await eventually(store.shown, {"tally": number, "sums": 1}.__eq__)
        await shown_in_redis(servers, projections=2)
    assert await store.shown() == {"tally": 3, "sums": 3}
    await assert_identical(servers, BOTH)


async def test_where_it_is_quiet_sums_do_not_wait(
    servers: Servers, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first event is summed at once, however long it is until the next turn; the second waits for that."""
    monkeypatch.setattr("projections.runtime.live._GATHER_SECONDS", _AN_HOUR)
    await store.order()
    async with rounds(servers, monkeypatch) as (live, shard):
        await eventually(store.positions, lambda found: found == {"tally": 1, "sums": 1})
        await store.order()
        live.wake(shard)
        await eventually(store.positions, lambda found: found == {"tally": 2, "sums": 1})


async def test_sums_need_no_further_event(servers: Servers, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was left for the next turn has it when it is due, though nobody has news."""
    await store.order()
    async with rounds(servers, monkeypatch) as (live, shard):
        for number in (1, 2, 3):
            await eventually(store.tallied, number.__eq__)
            await store.order()
            live.wake(shard)
        await eventually(store.positions, lambda found: found == {"tally": 4, "sums": 4})


async def test_sums_are_gathered_beyond_what_fits_one_batch(
    servers: Servers, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch has no room for goes on at once, and not when the next turn is due."""
    monkeypatch.setattr("projections.runtime.rounds._GATHERED_BESIDE_OTHERS", 2)
    monkeypatch.setattr("projections.runtime.rounds._OTHERS_SECONDS", _AN_HOUR)
    monkeypatch.setattr("projections.runtime.live._GATHER_SECONDS", 0.0)
    await store.order()
    async with rounds(servers, monkeypatch) as (live, shard):
        await eventually(store.positions, {"tally": 1, "sums": 1}.__eq__)  # from here on there is somebody with news
        monkeypatch.setattr("projections.runtime.live._GATHER_SECONDS", _AN_HOUR)
        for _ in range(5):
            await store.order()
        live.wake(shard)
        await eventually(store.positions, {"tally": 6, "sums": 6}.__eq__)


@pytest.mark.parametrize("commits", [1, 2])
async def test_what_was_committed_before_a_stop_is_shown_of_either(
    servers: Servers, store: Store, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    """Told to stop between a commit, of whichever pace, and Redis, the projector goes that way before it ends."""
    for bound in ("projections.runtime.live._STOP_SECONDS", "shared_kernel.subscription.shards._STOP_TIMEOUT_SECONDS"):
        monkeypatch.setattr(bound, 60.0)
    await store.order()
    async with running_projector(servers, projections=BOTH):
        await shown_in_redis(servers, projections=2)
    await store.order()
    reached: list[FaultPoint] = []

    def stop(point: FaultPoint) -> None:
        reached.append(point)
        if reached.count(FaultPoint.COMMIT) == commits:
            projector.cancel()

    projector = asyncio.create_task(run_projector(projector_settings(servers), projections=BOTH, reach=stop))
    with suppress(asyncio.CancelledError):
        await projector
    assert await store.shown() == await store.positions()
