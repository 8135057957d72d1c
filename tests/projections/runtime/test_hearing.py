"""Rounds that hear how far a log goes do not ask, and believe it no longer than until they do."""

import asyncio
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest

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
