"""A projector that was frozen, overtaken and thawed changes nothing."""

import os
import random
import signal
from uuid import UUID

import asyncpg
import redis

from shared_kernel.redis.keys import TenantKeys
from tests.builders.projecting import (
    assert_identical,
    dump_read_database,
    dump_redis,
    projected,
    running_projector,
    shown_in_redis,
)
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores, worker

TENANTS = tuple(UUID(int=(number << 120) + number) for number in (1, 2, 3))


async def test_a_thawed_projector_changes_neither_tables_nor_cache(servers: Servers) -> None:
    """Frozen in the middle of its work, it loses its locks and shards; thawed, everything it tries is refused."""
    stores = GrowingStores(servers, TENANTS, random.Random(7))  # noqa: S311 - a test's choice
    await stores.grow(5)
    admin = await asyncpg.connect(servers.read_admin_url)
    with worker(servers) as zombie:
        await projected(servers, within_seconds=60)
        owner = await admin.fetchval("SELECT owner FROM projection.lease LIMIT 1")
        async with stores.growing(5):
            await eventually(lambda: batches_of(admin), lambda seen: seen > 20)
            os.kill(zombie.pid, signal.SIGSTOP)
        await stores.grow(5)
        async with running_projector(servers):
            await shown_in_redis(servers)
        keep_states(servers)
        before = await dump_read_database(servers), dump_redis(servers)
        # The overtaker has left; what is taken from it now would be the zombie's. It is to find every shard taken.
        await admin.execute("UPDATE projection.lease SET owner = $1, expires_at = 'infinity'", UUID(int=1))
        os.kill(zombie.pid, signal.SIGCONT)
        await eventually(lambda: has_beaten(admin, owner), within_seconds=60)
        assert zombie.poll() is None
        after = await dump_read_database(servers), dump_redis(servers)
    await admin.close()
    assert after == before
    await assert_identical(servers)


async def batches_of(admin: asyncpg.Connection) -> int:
    """A measure of how much has been projected."""
    moved: int | None = await admin.fetchval("SELECT sum(revision) FROM projection.checkpoint")
    return moved or 0


def keep_states(servers: Servers) -> None:
    """Nobody renews them any more: have them stay for as long as the comparison takes."""
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        for tenant in TENANTS:
            client.persist(TenantKeys(tenant).state_key())


async def has_beaten(admin: asyncpg.Connection, worker_id: UUID) -> bool:
    """Whether a worker has been heard of three beats after it was thawed: its old work has met its fate by then."""
    return bool(
        await admin.fetchval(
            "WITH mark AS (SELECT seen_at FROM projection.worker WHERE worker_id = $1)"
            " SELECT count(*) > 0 FROM mark WHERE seen_at > clock_timestamp() - interval '0.3 s'",
            worker_id,
        )
    )
