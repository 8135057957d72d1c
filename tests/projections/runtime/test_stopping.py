"""A projector that ends, orderly or not, leaves a table and a cache that tell the truth."""

import asyncio
from contextlib import suppress
from functools import partial

import asyncpg
import pytest
import redis

from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime.batch import Batch
from projections.runtime.fault_points import FaultPoint, carry_on
from projections.runtime.folding import read_events
from projections.runtime.leases import Lease
from projections.runtime.live import LiveRounds
from projections.runtime.projecting import project
from projections.runtime.shard import Shard
from projections.verification.looking_again import looks_again
from projections.worker import run_projector
from shared_kernel.database.transactions import transaction
from shared_kernel.log.partitions import shard_of
from shared_kernel.log.reader import Want, fetch
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.state import decode_state
from tests.builders.draining import parts_of
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import (
    Runtime,
    assert_identical,
    open_runtime,
    projector_settings,
    running_projector,
    shown_in_redis,
)
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")


def shown_position(servers: Servers) -> int | None:
    """Up to which event readers of Redis are told that they see the tally."""
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        state = client.hget(TenantKeys(STORE).state_key(), "tally@1")
    return decode_state(state).position if state else None


async def test_what_was_committed_before_a_stop_is_shown(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop between a batch's commit and its way to Redis, the projector goes that way before it ends."""
    for bound in ("projections.runtime.live._STOP_SECONDS", "shared_kernel.subscription.shards._STOP_TIMEOUT_SECONDS"):
        monkeypatch.setattr(bound, 60.0)  # a second is enough for a machine that has nothing else to do
    log = OrderLog(STORE)
    log.place("a", [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers, projections=(tally(),)):
        await shown_in_redis(servers, projections=1)
    log.place("b", [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, log.events[1:])

    def stop(point: FaultPoint) -> None:
        if point is FaultPoint.COMMIT:
            projector.cancel()

    projector = asyncio.create_task(run_projector(projector_settings(servers), projections=(tally(),), reach=stop))
    with suppress(asyncio.CancelledError):
        await projector
    assert shown_position(servers) == 2
    await assert_identical(servers, (tally(),))


async def test_a_cache_that_a_killed_projector_left_behind_is_no_difference(servers: Servers) -> None:
    """Killed between a batch's commit and Redis, it leaves the state before it, with its rows, until that expires."""
    log = OrderLog(STORE)
    log.place("a", [line(EMMA)], channel="web")
    gone = log.place("b", [line(EMMA)], channel="pos")
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers, projections=(tally(),)):
        await shown_in_redis(servers, projections=1)
    log.place("c", [line(EMMA)], channel="web")
    log.cancel(gone)
    await write_log(servers.write_admin_url, log.events[2:])
    async with open_runtime(servers, (tally(),)) as runtime:
        await project(runtime.read_pool, runtime.catalog, await the_rest(runtime), carry_on)
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        client.pexpire(TenantKeys(STORE).state_key(), 2_500)  # not the fifteen seconds that it has
    await assert_identical(servers, (tally(),))


async def test_what_is_no_longer_older_is_looked_at_once_more() -> None:
    """It may have been shown, or have expired, between the last look and the question."""
    answers, seen = [True, False], list[str]()

    async def is_behind() -> bool:
        seen.append("asked")
        return answers.pop(0)

    async for _ in looks_again(is_behind):
        seen.append("looked")
    assert seen[-4:] == ["asked", "looked", "asked", "looked"]
    assert not answers


async def the_rest(runtime: Runtime) -> Batch:
    """What is left of the log, to be committed and not shown."""
    lease = await eventually(lambda: taken(runtime), within_seconds=60)
    assert lease is not None
    async with transaction(runtime.read_pool, tenant_id=None) as connection:
        checkpoints = await checkpoint_rows.load(connection, runtime.catalog, [STORE])
    async with transaction(runtime.log_pool, tenant_id=None) as connection:
        stored = await fetch(connection, [Want(tenant_id=STORE, after=2, limit=100)])
    return Batch(leases=(lease,), checkpoints=tuple(checkpoints), events=read_events(stored))


async def taken(runtime: Runtime) -> Lease | None:
    """The store's shard, once it has been given back or its lease has run out."""
    try:
        return await runtime.lease(shard_of(STORE))
    except KeyError:
        return None


async def test_what_is_told_to_stop_while_it_looks_begins_nothing(
    servers: Servers, log_admin: asyncpg.Connection
) -> None:
    """Rounds that stand before a log's head when they are to end take no turn once they see it."""
    log = OrderLog(STORE)
    log.place("a", [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, log.events)
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE NOT granted AND relation = 'log.tenant_head'::regclass AND datname = current_database()"
    )
    async with open_runtime(servers, (tally(),)) as runtime:
        parts = parts_of(runtime)
        live = LiveRounds(parts)
        live.join(Shard(parts, await runtime.lease(shard_of(STORE))))
        async with log_admin.transaction():
            await log_admin.execute("LOCK TABLE log.tenant_head IN ACCESS EXCLUSIVE MODE")
            rounds = asyncio.create_task(live.run())
            await eventually(partial(log_admin.fetchval, waiting))
            rounds.cancel()
            await asyncio.sleep(0)  # it has been told
        with suppress(asyncio.CancelledError):
            await rounds
        async with runtime.read_pool.acquire() as connection:
            assert not await connection.fetch("SELECT 1 FROM projection.checkpoint WHERE position > 0")
