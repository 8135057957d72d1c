"""Rounds that hear how far a log goes do not ask, and believe it no longer than until they do."""

import asyncio
from contextlib import suppress
from uuid import UUID

import asyncpg
import msgspec
import pytest

from projections.runtime.fault_points import FaultPoint
from projections.runtime.live import LiveRounds
from projections.runtime.shard import Shard
from shared_kernel.log.partitions import SHARDS, shard_of
from tests.builders.draining import parts_of
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import open_runtime
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")
NOBODY = UUID(int=STORE.int + SHARDS)
BESIDE = UUID(int=STORE.int ^ (1 << 120))
"""In the same shard."""


async def test_what_is_heard_is_folded_without_asking_and_forgotten_at_the_next_look(
    servers: Servers, read_admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant nobody has loaded is asked about; one known is not; and a position the log does not have goes again."""
    monkeypatch.setattr("projections.runtime.live.SWEEP_SECONDS", 3_600.0)
    log = OrderLog(STORE)
    for name in "ab":
        log.place(name, [line(EMMA)], channel="web")

    async def position() -> int:
        found: int = await read_admin.fetchval("SELECT coalesce(max(position), 0) FROM projection.checkpoint")
        return found

    async def heads() -> dict[UUID, int]:
        return dict(shard.heads)

    async with open_runtime(servers, (tally(),)) as runtime:
        parts = parts_of(runtime)
        live, shard = LiveRounds(parts), Shard(parts, await runtime.lease(shard_of(STORE)))
        assert not live.hear(STORE, 1)
        await write_log(servers.write_admin_url, log.events[:1])
        running = asyncio.create_task(live.run())
        live.join(shard)
        await eventually(position, (1).__eq__)
        assert not live.hear(NOBODY, 1)
        await write_log(servers.write_admin_url, log.events[1:])
        assert live.hear(STORE, 2)
        await eventually(position, (2).__eq__)
        assert live.hear(STORE, 99)
        live.wake(shard.number)
        await eventually(heads, {STORE: 2}.__eq__)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_batch_that_is_taken_apart_stays_in_hand_and_is_looked_at_again(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes its second half beside the first; and what was forgotten for it is known again without a sweep."""
    monkeypatch.setattr("projections.runtime.live.SWEEP_SECONDS", 3_600.0)
    in_hand: list[set[UUID]] = []

    def fail_once(point: FaultPoint) -> None:
        if point is FaultPoint.FETCH:
            in_hand.append(shard.tenants.in_hand)
            if len(in_hand) == 1:
                raise TimeoutError

    async def known() -> dict[UUID, int]:
        return {one.tenant_id: one.position for one in shard.tenants.checkpoints()}

    for tenant in (STORE, BESIDE):
        log = OrderLog(tenant)
        log.place("a", [line(EMMA)], channel="web")
        await write_log(servers.write_admin_url, log.events)
    async with open_runtime(servers, (tally(),)) as runtime:
        parts = msgspec.structs.replace(parts_of(runtime), reach=fail_once)
        live, shard = LiveRounds(parts), Shard(parts, await runtime.lease(shard_of(STORE)))
        running = asyncio.create_task(live.run())
        live.join(shard)
        await eventually(known, {STORE: 1, BESIDE: 1}.__eq__)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert in_hand == [{STORE, BESIDE}] * 3
