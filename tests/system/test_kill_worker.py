"""A projector killed anywhere leaves every view as a fold of its log makes it."""

import os
import random
import signal
import subprocess
import sys
from uuid import UUID

import asyncpg
import pytest

from projections.runtime.fault_points import FaultPoint
from shared_kernel.log.partitions import shard_of
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, line
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores, death_of, worker

# Three stores in one shard and one in another: killed while it serves several, and while it does not.
TENANTS = tuple(UUID(int=(number << 120) + shard) for number, shard in ((1, 3), (2, 3), (3, 3), (4, 7)))
LEASE_SECONDS = 0.4
TEN_KILLS = [(point, 1) for point in FaultPoint] + [
    (FaultPoint.FOLD, 17),
    (FaultPoint.UPSERT, 11),
    (FaultPoint.COMMIT, 3),
    (FaultPoint.REDIS, 4),
]
_SEED_VARIABLE = "SHELFWISE_KILL_SEED"
_KILLS_VARIABLE = "SHELFWISE_KILLS"
_KILLS_BETWEEN_CHECKS = 20
_HEALING_SECONDS = 90.0
"""Keys that a worker was at when it was killed again and again are parked for some seconds."""


async def kill(servers: Servers, stores: GrowingStores, point: FaultPoint, passage: int) -> None:
    """Let a worker die there, while the stores grow."""
    async with stores.growing(2):
        with worker(servers, point, f"{passage}", lease_seconds=LEASE_SECONDS) as process:
            assert await death_of(process, within_seconds=60) == -signal.SIGKILL


async def check(servers: Servers) -> None:
    """A healthy worker drains what is left, and every projection is what its log says."""
    with worker(servers, lease_seconds=LEASE_SECONDS):
        await projected(servers, within_seconds=_HEALING_SECONDS)
        await assert_identical(servers)


async def test_ten_kills_leave_no_trace(servers: Servers) -> None:
    """Dead once after every exported step, and at later passages of some, while events are written."""
    assert {point for point, _ in TEN_KILLS} == set(FaultPoint)
    stores = GrowingStores(servers, TENANTS, random.Random(10))  # noqa: S311 - a test's choice
    await stores.grow(3)
    for point, passage in TEN_KILLS:
        await kill(servers, stores, point, passage)
    await check(servers)


@pytest.mark.kill_campaign
async def test_two_hundred_random_kills(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    """The same at random points, from a seed that is told."""
    seed = int(os.environ.get(_SEED_VARIABLE, "1"))
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    stores = GrowingStores(servers, TENANTS, rng)
    await stores.grow(3)
    kills = int(os.environ.get(_KILLS_VARIABLE, "200"))
    for number in range(1, kills + 1):
        point = rng.choice(list(FaultPoint))
        passage = rng.randint(1, 12)
        await kill(servers, stores, point, passage)
        with capsys.disabled():
            sys.stdout.write(f"\rseed {seed}: {number} of {kills} kills, last at {point} {passage}   ")
            sys.stdout.flush()
        if number % _KILLS_BETWEEN_CHECKS == 0 or number == kills:
            await check(servers)


async def test_an_event_that_kills_its_worker_is_found_and_parked(servers: Servers) -> None:
    """A fold that ends the process stops its own row after a few deaths; rows, stores and shards beside it go on.

    A death may also park what another shard was trying at that moment: that heals by itself.
    """
    for tenant in TENANTS:
        log = OrderLog(tenant)
        for order, channel in (("a", "web"), ("deadly" if tenant == TENANTS[1] else "b", "web"), ("c", "pos")):
            log.place(order, [line(EMMA)], channel=channel)
        await write_log(servers.write_admin_url, log.events)
    admin = await asyncpg.connect(servers.read_admin_url)
    deaths = 0
    while not await is_parked(admin):
        with worker(servers, "poisoned", "deadly", lease_seconds=LEASE_SECONDS) as process:
            await eventually(lambda: is_parked_or_dead(admin, process), within_seconds=60)
            deaths += process.poll() is not None
        assert deaths < 8, "the deadly event was not found"
    found = await admin.fetch(
        "SELECT tenant_id, key, first_position FROM projection.parked_key WHERE tenant_id = ANY($1::uuid[])",
        [tenant for tenant in TENANTS if shard_of(tenant) == shard_of(TENANTS[1])],
    )
    assert [tuple(row) for row in found] == [(TENANTS[1], "web", 2)]
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1, within_seconds=_HEALING_SECONDS)
    await admin.close()
    await assert_identical(servers, (tally(),))


async def is_parked(admin: asyncpg.Connection) -> bool:
    """Whether the row that the deadly event touches is parked."""
    count = "SELECT count(*) FROM projection.parked_key WHERE (tenant_id, key) = ($1, 'web')"
    return bool(await admin.fetchval(count, TENANTS[1]))


async def is_parked_or_dead(admin: asyncpg.Connection, process: subprocess.Popen[bytes]) -> bool:
    """Whether waiting for this worker is over."""
    return process.poll() is not None or await is_parked(admin)
