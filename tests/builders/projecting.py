"""Projecting in a test: a projector in its process, what it left behind, and whether that is right."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import msgspec
import redis

from projections.fold import Projection
from projections.registry import PROJECTIONS
from projections.runtime.catalog import Catalog, ensure_tables
from projections.runtime.fault_points import Reach, carry_on
from projections.runtime.leases import Lease, LeaseTimes, acquire, ensure_leases
from projections.verification.cached_rows import CachedRows
from projections.verification.extra_rows import ExtraRows
from projections.verification.verify import Verification, Verifier
from projections.worker import ProjectorSettings, run_projector
from shared_kernel.database.pool import Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from shared_kernel.log.partitions import SHARDS
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.state import decode_state
from tests.eventually import eventually
from tests.servers import Servers

AnyProjection = Projection[Any]  # Any: projections of every row type

LEASE_SECONDS = 1.0
"""Short, so that a shard is taken over within a test's patience."""
_STOP_TIMEOUT_SECONDS = 60.0


def projector_settings(servers: Servers, **changes: object) -> ProjectorSettings:
    """The projector's own logins to the test's databases, with short leases."""
    settings = ProjectorSettings(
        write_database_url=servers.url_as(DatabaseRole.PROJECTOR, read=False),
        read_database_url=servers.url_as(DatabaseRole.PROJECTOR, read=True),
        redis_url=servers.redis_url,
        probe_port=0,
        lease_seconds=LEASE_SECONDS,
        idle_in_transaction_seconds=1.0,
        build_grace_seconds=0.0,
    )
    return msgspec.structs.replace(settings, **changes)


@asynccontextmanager
async def running_projector(
    servers: Servers,
    *,
    projections: Sequence[AnyProjection] = PROJECTIONS,
    reach: Reach = carry_on,
    **changes: object,
) -> AsyncIterator[None]:
    """A projector that runs in the test's own process for as long as the block; a failure of it is the test's."""
    settings = projector_settings(servers, **changes)
    task = asyncio.create_task(run_projector(settings, projections=projections, reach=reach))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_TIMEOUT_SECONDS)
        assert task.done(), "\n".join(_where(one) for one in asyncio.all_tasks())
        with suppress(asyncio.CancelledError):
            await task


def _where(task: asyncio.Task[Any]) -> str:  # Any: tasks of every kind
    out = io.StringIO()
    task.print_stack(file=out)
    return out.getvalue()


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What the projector's parts are made of, for tests that put one of them to work alone."""

    log_pool: Pool
    read_pool: Pool
    redis: MultiplexedRedis
    catalog: Catalog

    async def lease(self, shard: int, *, seconds: float = 60.0) -> Lease:
        """Take every free or expired shard as a worker of its own, and give the lease of one."""
        async with self.read_pool.acquire() as connection:
            taken = await acquire(connection, new_id(), LeaseTimes(lease_seconds=seconds), at_most=SHARDS)
        return taken[shard]


@asynccontextmanager
async def open_runtime(
    servers: Servers, projections: Sequence[AnyProjection], *, redis_client: type[MultiplexedRedis] = MultiplexedRedis
) -> AsyncIterator[Runtime]:
    """The parts of a projector, with its tables made."""
    pool = PoolSettings(application_name="test", max_size=4)
    catalog = Catalog(projections)
    async with (
        build_pool(servers.url_as(DatabaseRole.PROJECTOR, read=False), pool) as log_pool,
        build_pool(servers.url_as(DatabaseRole.PROJECTOR, read=True), pool) as read_pool,
        redis_client.from_url(servers.redis_url) as client,
    ):
        async with read_pool.acquire() as connection:
            await ensure_leases(connection)
            await ensure_tables(connection, catalog)
        await client.connect()
        yield Runtime(log_pool=log_pool, read_pool=read_pool, redis=client, catalog=catalog)


async def verify(servers: Servers, projections: Sequence[AnyProjection] = PROJECTIONS) -> list[Verification]:
    """Every projection against a fold of its log, with its rows in Redis."""
    async with open_runtime(servers, projections) as runtime:
        verifier = Verifier(
            log_pool=runtime.log_pool,
            read_pool=runtime.read_pool,
            catalog=runtime.catalog,
            cached_rows=CachedRows(runtime.redis),
            extra_rows=ExtraRows(runtime.redis, runtime.read_pool),
        )
        return [await verifier.verify(one.view.name) for one in projections]


async def assert_identical(servers: Servers, projections: Sequence[AnyProjection] = PROJECTIONS) -> None:
    """No projection differs from its log in any row."""
    found = await verify(servers, projections)
    differing = {one.name: one.differences for one in found if not one.identical}
    assert not differing, differing


async def projected(
    servers: Servers, *, projections: int = len(PROJECTIONS), within_seconds: float = 60.0, parked: bool = False
) -> None:
    """Wait until every projection of every tenant has reached its head, with nothing parked unless told."""
    log_admin = await asyncpg.connect(servers.write_admin_url)
    read_admin = await asyncpg.connect(servers.read_admin_url)

    async def behind() -> list[tuple[str, int, int]]:
        heads = {row["tenant_id"]: row["position"] for row in await log_admin.fetch("SELECT * FROM log.tenant_head")}
        rows = await read_admin.fetch("SELECT * FROM projection.checkpoint WHERE mode NOT IN ('building', 'frozen')")
        missing = projections * len(heads) - len(rows)
        late = [
            (row["name"], row["position"], row["parked"])
            for row in rows
            if row["position"] < heads.get(row["tenant_id"], 0) or (row["parked"] and not parked)
        ]
        return late + [("missing", missing, 0)] * (missing > 0)

    try:
        await eventually(behind, lambda late: not late, within_seconds=within_seconds)
    finally:
        await log_admin.close()
        await read_admin.close()


async def shown_in_redis(
    servers: Servers, *, projections: int = len(PROJECTIONS), within_seconds: float = 60.0
) -> None:
    """Wait until every projection of every tenant has reached its head, and Redis tells readers so."""
    await projected(servers, projections=projections, within_seconds=within_seconds)
    admin = await asyncpg.connect(servers.read_admin_url)

    async def behind() -> list[str]:
        rows = await admin.fetch("SELECT * FROM projection.checkpoint WHERE mode = 'live'")
        with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
            tenants = {row["tenant_id"] for row in rows}
            states = {tenant: client.hgetall(TenantKeys(tenant).state_key()) for tenant in tenants}
        fields = [(f"{row['name']}@{row['version']}", row) for row in rows]
        return [
            f"{field} of {row['tenant_id']}"
            for field, row in fields
            if (state := states[row["tenant_id"]].get(field.encode())) is None
            or decode_state(state).revision != row["revision"]
            or decode_state(state).position != row["position"]
        ]

    try:
        await eventually(behind, lambda late: not late, within_seconds=within_seconds)
    finally:
        await admin.close()


async def dump_read_database(servers: Servers) -> dict[str, list[str]]:
    """Every row of every read table and of what is known about progress, as text."""
    admin = await asyncpg.connect(servers.read_admin_url)
    try:
        tables = [
            row["name"]
            for row in await admin.fetch(
                "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'read' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            )
        ]
        tables += ["projection.checkpoint", "projection.parked_key", "projection.parked_event"]
        return {
            table: [row["text"] for row in await admin.fetch(f"SELECT t::text AS text FROM {table} t ORDER BY 1")]  # noqa: S608 - names from the catalogue
            for table in tables
        }
    finally:
        await admin.close()


def dump_redis(servers: Servers) -> dict[bytes, object]:
    """Everything in Redis that the projector writes: states and rows."""
    with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
        found: dict[bytes, object] = {}
        for key in client.scan_iter("sw:{*"):
            found[key] = client.hgetall(key) if key.endswith(b":state") else client.get(key)
        return found
