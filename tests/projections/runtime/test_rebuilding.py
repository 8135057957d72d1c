"""A rebuild fills a build beside the one that is read, and no reader notices more than newer rows."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import msgspec

from projections.fold import Projection
from projections.runtime.fault_points import FaultPoint
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.events.orders import OrderPlaced
from shared_kernel.identifiers import new_id
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.tally import Tally, failing_on, tally
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores

TENANTS = tuple(UUID(int=(number << 120) + number) for number in (1, 2, 3))
PROJECTIONS: tuple[Projection[Tally], ...] = (tally(),)
_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
VALUES ($1, 'rebuild', 'tally', 1, $2, $3::jsonb, 'test')
"""
_SHOWN = """
SELECT c.build, c.position, c.rows,
    (SELECT count(*) FROM read.tally__v1 t WHERE t.tenant_id = c.tenant_id AND t.build = c.build) AS found
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE a.tenant_id = $1 AND a.name = 'tally'
"""


async def filled(servers: Servers, events: int = 300) -> GrowingStores:
    """Stores whose tallies are projected."""
    stores = GrowingStores(servers, TENANTS, random.Random(3))  # noqa: S311 - a test's choice
    await stores.grow(events)
    async with running_projector(servers, projections=PROJECTIONS):
        await projected(servers, projections=1)
    return stores


async def ask(admin: asyncpg.Connection, *, only: UUID | None = None, keep_old: bool = False) -> None:
    """Ask for a rebuild, as an operator does."""
    options = msgspec.json.encode({"keep_old": keep_old}).decode()
    await admin.execute(_REQUEST, new_id(), only, options)


async def done(admin: asyncpg.Connection) -> None:
    """Wait until nothing that was asked for is left to do."""
    await eventually(
        lambda: admin.fetchval("SELECT count(*) FROM projection.request WHERE state <> 'done'"), lambda left: left == 0
    )


async def active(admin: asyncpg.Connection) -> dict[UUID, int]:
    """Which build each store reads."""
    return {row["tenant_id"]: row["build"] for row in await admin.fetch("SELECT * FROM read.active_build")}


async def builds(admin: asyncpg.Connection) -> list[int]:
    """The partitions there are."""
    rows = await admin.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'read.tally__v1'::regclass ORDER BY 1"
    )
    return [int(row["relname"].rpartition("_b")[2]) for row in rows]


_READERS_SECONDS = 1.0
"""Longer than a reader holds a snapshot: a partition that is dropped is gone from older snapshots too."""


@asynccontextmanager
async def reader(servers: Servers) -> AsyncIterator[list[str]]:
    """One who reads state and rows in one snapshot, again and again, and notes what must not be seen."""
    complaints: list[str] = []

    async def keep_reading() -> None:
        settings = PoolSettings(application_name="test", max_size=1)
        newest = dict.fromkeys(TENANTS, 0)
        async with build_pool(servers.url_as(DatabaseRole.READ_API), settings) as pool:
            while True:
                for tenant in TENANTS:
                    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=tenant) as connection:
                        row = await connection.fetchrow(_SHOWN, tenant)
                    if row["position"] < newest[tenant]:
                        complaints.append(f"went back from {newest[tenant]} to {row['position']}")
                    if not row["rows"] or row["found"] != row["rows"]:
                        complaints.append(f"saw {row['found']} of {row['rows']} rows of build {row['build']}")
                    newest[tenant] = row["position"]
                await asyncio.sleep(0.005)  # two cores are shared with the projector

    task = asyncio.create_task(keep_reading())
    try:
        yield complaints
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_rebuild_under_writes_is_never_empty_and_never_backwards(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """All stores come to read the next build, complete; the one before it is dropped whole."""
    stores = await filled(servers)
    running = running_projector(servers, projections=PROJECTIONS, build_grace_seconds=_READERS_SECONDS)
    async with reader(servers) as complaints, running:
        async with stores.growing(3):
            await ask(read_admin)
            await done(read_admin)
        await eventually(lambda: builds(read_admin), lambda left: left == [2])
        await projected(servers, projections=1)
    assert complaints == []
    assert await active(read_admin) == dict.fromkeys(TENANTS, 2)
    await assert_identical(servers, PROJECTIONS)


async def test_one_store_is_rebuilt_and_its_old_rows_go(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """The other stores stay in the old build; of the rebuilt one, nothing stays there."""
    await filled(servers)
    async with running_projector(servers, projections=PROJECTIONS):
        await ask(read_admin, only=TENANTS[0])
        await done(read_admin)
        old_rows = "SELECT count(*) FROM read.tally__v1 WHERE tenant_id = $1 AND build = 1"
        await eventually(lambda: read_admin.fetchval(old_rows, TENANTS[0]), lambda left: left == 0)
    assert await active(read_admin) == {TENANTS[0]: 2, TENANTS[1]: 1, TENANTS[2]: 1}
    assert await read_admin.fetchval(old_rows, TENANTS[1]) > 0
    await assert_identical(servers, PROJECTIONS)


async def test_a_rebuild_goes_on_where_it_was_ended(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """A projector that ends in the middle leaves the rest to the next, and nothing is folded twice."""
    await filled(servers, events=1_500)
    await ask(read_admin)
    reached = asyncio.Event()

    def reach(point: FaultPoint) -> None:
        if point is FaultPoint.COMMIT:
            reached.set()

    async with running_projector(servers, projections=PROJECTIONS, reach=reach):
        await asyncio.wait_for(reached.wait(), 20)
    assert await read_admin.fetchval("SELECT count(*) FROM projection.load"), "it was ended before it was done"
    async with running_projector(servers, projections=PROJECTIONS):
        await done(read_admin)
    assert await active(read_admin) == dict.fromkeys(TENANTS, 2)
    await assert_identical(servers, PROJECTIONS)


async def test_a_build_that_is_kept_stays_current(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """What an operator may flip back to is folded along and not dropped."""
    stores = await filled(servers)
    async with running_projector(servers, projections=PROJECTIONS):
        await ask(read_admin, keep_old=True)
        await done(read_admin)
        await stores.grow(20)
        await projected(servers, projections=1)
    rows = await read_admin.fetch(
        "SELECT build, mode, count(DISTINCT position) FROM projection.checkpoint GROUP BY 1, 2"
    )
    assert {(row["build"], row["mode"]) for row in rows} == {(1, "kept"), (2, "live")}
    both = "SELECT tenant_id, channel, copies, last, position FROM read.tally__v1 WHERE build = $1 ORDER BY 1, 2"
    assert await read_admin.fetch(both, 1) == await read_admin.fetch(both, 2)
    assert await builds(read_admin) == [1, 2]


async def test_a_worse_build_is_not_cut_over_to(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Where the new build parks what the old one shows, the old one goes on being read."""
    await filled(servers, events=20)
    broken = (tally(evolving=failing_on(f"1 of {TENANTS[0].hex[:6]}")),)
    async with running_projector(servers, projections=broken):
        await ask(read_admin)
        await eventually(lambda: active(read_admin), lambda now: list(now.values()).count(2) == 2)
        await eventually(
            lambda: read_admin.fetchval("SELECT parked FROM projection.checkpoint WHERE mode = 'building'"), bool
        )
    assert (await active(read_admin))[TENANTS[0]] == 1
    async with running_projector(servers, projections=PROJECTIONS):
        await done(read_admin)
    assert await active(read_admin) == dict.fromkeys(TENANTS, 2)
    await assert_identical(servers, PROJECTIONS)


async def test_a_build_is_cut_over_to_once_what_it_parked_has_healed(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """By the projector that parked it, also where nothing of the build that is read is parked."""
    await filled(servers, events=20)
    is_broken = True

    def sometimes(order: OrderPlaced) -> None:
        if is_broken:
            failing_on(f"1 of {TENANTS[0].hex[:6]}")(order)

    async with running_projector(servers, projections=(tally(evolving=sometimes),)):
        await ask(read_admin)
        await eventually(
            lambda: read_admin.fetchval("SELECT parked FROM projection.checkpoint WHERE mode = 'building'"), bool
        )
        is_broken = False
        await done(read_admin)
    assert await active(read_admin) == dict.fromkeys(TENANTS, 2)


async def test_a_new_store_during_a_rebuild_is_not_lost(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """A store that is first seen while others are rebuilt begins in one of the builds, and is read there."""
    await filled(servers)
    newcomer = UUID(int=(9 << 120) + 9)
    async with running_projector(servers, projections=PROJECTIONS):
        await ask(read_admin)
        await GrowingStores(servers, [newcomer], random.Random(4)).grow(30)  # noqa: S311 - a test's choice
        await done(read_admin)
        await projected(servers, projections=1)
    assert newcomer in await active(read_admin)
    await assert_identical(servers, PROJECTIONS)
