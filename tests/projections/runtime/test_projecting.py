"""The runtime on real servers: what is in the log comes to stand in the tables."""

from uuid import UUID

import asyncpg
import msgspec
import pytest

from projections.registry import PROJECTIONS
from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime import leases
from projections.runtime.batch import Batch
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.errors import CheckpointMovedError, LeaseLostError
from projections.runtime.fault_points import carry_on
from projections.runtime.folding import read_events
from projections.runtime.projecting import project
from shared_kernel.database.transactions import transaction
from shared_kernel.events.orders import OrderPlaced
from shared_kernel.log.archive.errors import LogBrokenError
from shared_kernel.log.partitions import SHARDS, shard_of
from shared_kernel.log.reader import StoredEvent, Want, fetch, fetch_positions, fetch_types
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, PERSUASION, OrderLog, id_of, line
from tests.builders.projecting import (
    Runtime,
    assert_identical,
    dump_read_database,
    open_runtime,
    projected,
    running_projector,
)
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")


def store_log(store: str) -> OrderLog:
    """Two orders of a store."""
    log = OrderLog(id_of(store))
    log.place("first", [line(EMMA), line(PERSUASION, 2)])
    log.place("second", [line(EMMA)])
    return log


async def enrolled(runtime: Runtime, *stores: UUID) -> tuple[Checkpoint, ...]:
    """The stores' checkpoints as they stand, begun if they were not."""
    tenants = stores or (STORE,)
    async with transaction(runtime.read_pool, tenant_id=None) as connection:
        await checkpoint_rows.enrol(connection, runtime.catalog, tenants)
        loaded = await checkpoint_rows.load(connection, runtime.catalog, tenants)
        await connection.execute("COMMIT")
    return tuple(loaded)


async def stored(runtime: Runtime, *stores: UUID) -> list[StoredEvent]:
    """The stores' whole logs."""
    async with transaction(runtime.log_pool, tenant_id=None) as connection:
        return await fetch(connection, [Want(tenant_id=one, after=0, limit=100) for one in stores or (STORE,)])


async def test_every_projection_reaches_the_head_of_every_tenant(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """Two stores' orders are listed, each under its own tenant."""
    for store in ("one", "two"):
        await write_log(servers.write_admin_url, store_log(store).events)
    async with running_projector(servers):
        await projected(servers)
    listed = await read_admin.fetch("SELECT tenant_id, count(*) AS orders FROM read.order_list__v2 GROUP BY 1")
    assert {row["tenant_id"]: row["orders"] for row in listed} == {id_of("one"): 2, id_of("two"): 2}
    await assert_identical(servers)


async def test_redelivered_events_change_nothing(servers: Servers) -> None:
    """A batch from checkpoints that have moved is refused whole; one from where they stand folds nothing twice."""
    await write_log(servers.write_admin_url, store_log("one").events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        lease = await runtime.lease(shard_of(STORE))
        before = await enrolled(runtime)
        batch = Batch(leases=(lease,), checkpoints=before, events=read_events(await stored(runtime)))
        await project(runtime.read_pool, runtime.catalog, batch, carry_on)
        done = await dump_read_database(servers)
        with pytest.raises(CheckpointMovedError):
            await project(runtime.read_pool, runtime.catalog, batch, carry_on)
        again = Batch(leases=(lease,), checkpoints=await enrolled(runtime), events=batch.events)
        await project(runtime.read_pool, runtime.catalog, again, carry_on)
    assert len(done["read.order_list__v2"]) == 2
    assert await dump_read_database(servers) == done


async def test_a_lost_lease_changes_nothing(servers: Servers) -> None:
    """Of two epochs only the newer one's batch is committed."""
    await write_log(servers.write_admin_url, store_log("one").events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        old = await runtime.lease(shard_of(STORE), seconds=0)
        new = await runtime.lease(shard_of(STORE))
        batch = Batch(leases=(old,), checkpoints=await enrolled(runtime), events=read_events(await stored(runtime)))
        empty = await dump_read_database(servers)
        with pytest.raises(LeaseLostError):
            await project(runtime.read_pool, runtime.catalog, batch, carry_on)
        assert await dump_read_database(servers) == empty
        current = Batch(leases=(new,), checkpoints=batch.checkpoints, events=batch.events)
        await project(runtime.read_pool, runtime.catalog, current, carry_on)
    assert await dump_read_database(servers) != empty


async def test_trouble_of_one_store_holds_up_no_other(servers: Servers) -> None:
    """Of four stores in a batch, that of a lost shard, the moved and the locked are left out; the fourth is done."""
    lost, moved, locked, sound = (UUID(int=(number << 120) + number) for number in (1, 2, 3, 4))
    for store in (lost, moved, locked, sound):
        log = OrderLog(store)
        log.place("first", [line(EMMA)])
        await write_log(servers.write_admin_url, log.events)
    async with open_runtime(servers, (tally(),)) as runtime:
        async with runtime.read_pool.acquire() as connection:
            held = await leases.acquire(connection, id_of("a worker"), leases.LeaseTimes(), at_most=SHARDS)
        held[shard_of(lost)] = msgspec.structs.replace(held[shard_of(lost)], epoch=0)
        believed = [
            msgspec.structs.replace(one, revision=7) if one.tenant_id == moved else one
            for one in await enrolled(runtime, lost, moved, locked, sound)
        ]
        batch = Batch(
            leases=tuple(held[shard_of(store)] for store in (lost, moved, locked, sound)),
            checkpoints=tuple(believed),
            events=read_events(await stored(runtime, lost, moved, locked, sound)),
        )
        async with transaction(runtime.read_pool, tenant_id=None) as other:
            (one,) = (one for one in believed if one.tenant_id == locked)
            await checkpoint_rows.lock_one(other, locked, one.build_id)
            result = await project(runtime.read_pool, runtime.catalog, batch, carry_on)
        stand = {one.tenant_id: one.position for one in await enrolled(runtime, lost, moved, locked, sound)}
    assert result.left_out == frozenset({lost, moved, locked})
    assert result.lost_shards == frozenset({shard_of(lost)})
    assert stand == {lost: 0, moved: 0, locked: 0, sound: 1}


async def test_a_batch_under_way_keeps_its_shard_and_lets_it_be_renewed(servers: Servers) -> None:
    """An expired lease cannot be taken while a transaction is fenced by it, but its owner can renew it."""
    async with open_runtime(servers, ()) as runtime:
        lease = await runtime.lease(0, seconds=0)
        async with transaction(runtime.read_pool, tenant_id=None) as connection:
            await leases.fence(connection, lease)
            owner = await connection.fetchval("SELECT owner FROM projection.lease WHERE shard = 0")
            async with runtime.read_pool.acquire() as other:
                times = leases.LeaseTimes()
                taken = await leases.acquire(other, id_of("another worker"), times, at_most=16)
                renewed = await leases.renew(other, owner, times)
    assert 0 not in taken
    assert renewed[0].epoch == lease.epoch


async def test_a_changed_shape_without_a_new_version_is_refused(servers: Servers) -> None:
    """A projector does not start on a table that another shape of the same version has made."""
    async with open_runtime(servers, ()) as runtime, runtime.read_pool.acquire() as connection:
        columns = [{"name": name, "type": "UUID", "nullable": False} for name in ("tenant_id", "build", "id")]
        spec = '{"table": "thing__v1", "columns": %s, "primary_key": ["tenant_id", "build", "id"], "indexes": []}'
        first = spec % str(columns).replace("'", '"').replace("False", "false")
        await connection.execute(
            "SELECT projection.create_table($1::jsonb)",
            first.replace('build", "type": "UUID', 'build", "type": "INTEGER'),
        )
        with pytest.raises(asyncpg.DuplicateTableError, match="new version"):
            await connection.execute("SELECT projection.create_table($1::jsonb)", first)


async def test_a_log_that_cannot_be_read_holds_up_its_own_store_alone(servers: Servers) -> None:
    """A gap that no archive fills: only what is before it is projected; those that would share a batch are whole."""
    broken = store_log("broken")
    lost = broken.place("third", [line(EMMA)])
    broken.place("fourth", [line(EMMA)])
    others = [store_log(f"whole {number}") for number in range(4)]
    for log in (broken, *others):
        await write_log(servers.write_admin_url, log.events)
    log_admin = await asyncpg.connect(servers.write_admin_url)
    read_admin = await asyncpg.connect(servers.read_admin_url)

    async def positions() -> list[int]:
        rows = await read_admin.fetch("SELECT position FROM projection.checkpoint ORDER BY position")
        return [row["position"] for row in rows]

    try:
        await log_admin.execute("DELETE FROM log.event WHERE stream_id = $1", lost)
        async with running_projector(servers, projections=(tally(),)):
            await eventually(positions, lambda seen: seen == [2, 2, 2, 2, 2], within_seconds=60)
            async with open_runtime(servers, (tally(),)) as runtime, runtime.log_pool.acquire() as connection:
                want = Want(tenant_id=id_of("broken"), after=0, limit=10)
                assert [one.position for one in await fetch(connection, [want])] == [1, 2]
                for after, limit in ((2, 10), (2, 1)):
                    with pytest.raises(LogBrokenError, match="event 3 is neither"):
                        await fetch(connection, [msgspec.structs.replace(want, after=after, limit=limit)])
                with pytest.raises(LogBrokenError, match="event 3 is neither"):
                    await fetch_positions(connection, id_of("broken"), [1, 3])
                placed = [OrderPlaced.__name__]
                whole = await fetch_types(connection, msgspec.structs.replace(want, limit=2), placed)
                assert [one.position for one in whole] == [1, 2]
                for until, types in ((None, placed), (4, placed), (3, placed), (4, ["none"])):  # by type, by limit, not
                    with pytest.raises(LogBrokenError, match="event 3 is neither"):
                        await fetch_types(connection, msgspec.structs.replace(want, until=until), types)
            assert await positions() == [2, 2, 2, 2, 2]
    finally:
        await log_admin.close()
        await read_admin.close()
