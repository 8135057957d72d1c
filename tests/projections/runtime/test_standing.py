"""What operators ask of projections as they stand is carried out by the projector, and by nobody else."""

import random
from uuid import UUID

import asyncpg

from projections import order_list
from projections.runtime.requests import is_asked
from shared_kernel.identifiers import new_id
from tests.builders.projecting import AnyProjection, assert_identical, open_runtime, projected, running_projector
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores

TENANTS = tuple(UUID(int=(number << 120) + number) for number in (1, 2))
PROJECTIONS: tuple[AnyProjection, ...] = (tally(), order_list.PROJECTION)
_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
VALUES ($1, $2, 'tally', 1, $3, $4::jsonb, 'Ada')
"""
_POSITIONS = "SELECT name, min(position) AS at FROM projection.checkpoint WHERE mode = 'live' GROUP BY name"
_STANDS = """
SELECT tenant_id, position, rows FROM projection.checkpoint WHERE name = 'tally' AND tenant_id = ANY($1) ORDER BY 1
"""
_SLOWLY = '{"rate": 50, "keep_old": true}'


async def ask(admin: asyncpg.Connection, kind: str, *, only: UUID | None = None, options: str = "{}") -> UUID:
    """Ask as an operator does; the request's id."""
    request_id = new_id()
    await admin.execute(_REQUEST, request_id, kind, only, options)
    return request_id


async def state(admin: asyncpg.Connection, request_id: UUID) -> str:
    """How far a request is."""
    found: str = await admin.fetchval("SELECT state FROM projection.request WHERE id = $1", request_id)
    return found


async def obeyed(admin: asyncpg.Connection, kind: str, *, only: UUID | None = None, options: str = "{}") -> None:
    """Ask, and wait until it is done."""
    request_id = await ask(admin, kind, only=only, options=options)
    await eventually(lambda: state(admin, request_id), lambda seen: seen == "done")


async def positions(admin: asyncpg.Connection) -> dict[str, int]:
    """Up to where each projection shows every store."""
    return {row["name"]: row["at"] for row in await admin.fetch(_POSITIONS)}


async def test_only_what_this_release_can_begin_is_found_between_two_looks(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """What is another release's is not: it would be found again and again, and all be looked after each time."""
    async with open_runtime(servers, PROJECTIONS) as runtime:
        await ask(read_admin, "rebuild")
        await read_admin.execute("UPDATE projection.request SET version = 99")
        assert not await is_asked(runtime.read_pool, runtime.catalog)
        await read_admin.execute("UPDATE projection.request SET kind = 'retire'")
        assert await is_asked(runtime.read_pool, runtime.catalog)
        await read_admin.execute("UPDATE projection.request SET kind = 'rebuild', version = 1")
        assert await is_asked(runtime.read_pool, runtime.catalog)
        await read_admin.execute("UPDATE projection.request SET state = 'running'")
        assert not await is_asked(runtime.read_pool, runtime.catalog)


async def test_a_paused_projection_stands_still_and_goes_on_from_there(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """The others go on, a store that comes meanwhile waits too, and it is known who paused it."""
    stores = GrowingStores(servers, TENANTS, random.Random(5))  # noqa: S311 - a test's choice
    await stores.grow(30)
    async with running_projector(servers, projections=PROJECTIONS):
        await projected(servers, projections=2)
        await obeyed(read_admin, "pause")
        before = await read_admin.fetch(_STANDS, list(TENANTS))
        await stores.grow(30)
        newcomer = GrowingStores(servers, [UUID(int=(3 << 120) + 3)], random.Random(6))  # noqa: S311 - as above
        await newcomer.grow(10)
        await eventually(lambda: positions(read_admin), lambda now: now["order_list"] >= 10 and now["tally"] == 0)
        paused = await read_admin.fetch("SELECT name, requested_by FROM projection.pause")
        assert [tuple(row) for row in paused] == [("tally", "Ada")]
    async with running_projector(servers, projections=PROJECTIONS):
        assert await read_admin.fetch(_STANDS, list(TENANTS)) == before
        await obeyed(read_admin, "resume")
        await projected(servers, projections=2)
    await assert_identical(servers, PROJECTIONS)


async def test_a_rollback_returns_to_what_was_kept_and_back_again(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """In both directions nothing is lost; what is kept no more cannot be returned to."""
    stores = GrowingStores(servers, TENANTS, random.Random(5))  # noqa: S311 - a test's choice
    await stores.grow(30)
    builds = "SELECT DISTINCT build FROM read.active_build WHERE name = 'tally'"
    async with running_projector(servers, projections=PROJECTIONS):
        await projected(servers, projections=2)
        await obeyed(read_admin, "rebuild", options='{"keep_old": true}')
        await stores.grow(10)
        for build in (1, 2):
            await obeyed(read_admin, "rollback")
            await stores.grow(10)
            assert await read_admin.fetchval(builds) == build
            await projected(servers, projections=2)
            await assert_identical(servers, PROJECTIONS)
        await obeyed(read_admin, "drop_kept")
        refused = await ask(read_admin, "rollback")
        await eventually(lambda: state(read_admin, refused), lambda seen: seen == "failed")
        await eventually(
            lambda: read_admin.fetchval("SELECT to_regclass('read.tally__v1_b1') IS NULL"), bool, within_seconds=60
        )


async def test_a_cancelled_rebuild_leaves_nothing_behind(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Neither checkpoints nor loads nor a table; what is read was never touched."""
    stores = GrowingStores(servers, TENANTS, random.Random(5))  # noqa: S311 - a test's choice
    await stores.grow(1_100)
    async with running_projector(servers, projections=PROJECTIONS):
        await projected(servers, projections=2)
        rebuild = await ask(read_admin, "rebuild", options=_SLOWLY)
        await eventually(lambda: state(read_admin, rebuild), lambda seen: seen == "running")
        await obeyed(read_admin, "cancel")
        assert await state(read_admin, rebuild) == "cancelled"
        assert not await read_admin.fetchval("SELECT count(*) FROM projection.checkpoint WHERE build > 1")
        assert not await read_admin.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'loading'")
        await stores.grow(5)
        await projected(servers, projections=2)
    await assert_identical(servers, PROJECTIONS)
