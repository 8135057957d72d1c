"""A batch's end in one statement: so many round trips, and nothing at all where something is not as believed."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest

from projections.registry import PROJECTIONS
from projections.runtime import at_once
from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime.batch import Batch, BatchResult, scan_batch
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.fault_points import FaultPoint, carry_on
from projections.runtime.folding import read_events
from projections.runtime.leases import Lease
from projections.runtime.projecting import project
from projections.runtime.rounds import Rounds
from projections.runtime.shard import Shard
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.http.context import RequestContext, request_variable
from shared_kernel.log.partitions import shard_of
from shared_kernel.log.reader import Want, fetch
from tests.builders.draining import parts_of
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import Runtime, assert_identical, dump_read_database, open_runtime
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.round_trips import ROUND_TRIPS
from tests.servers import Servers

STORE = id_of("one")
_STANDS = "(tenant_id, name, version, build) = ($1, $2, $3, $4)"
# Of this database: others of the same server belong to tests that run beside this one.
_WAITS = """
SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%held AS%')
"""


def two_orders() -> OrderLog:
    """Of one store, in two channels."""
    log = OrderLog(STORE)
    log.place("a", [line(EMMA)], channel="web")
    log.place("b", [line(EMMA)], channel="pos")
    return log


async def batch_of(runtime: Runtime, lease: Lease) -> Batch:
    """All of the store's log, from its beginning."""
    async with transaction(runtime.read_pool, tenant_id=None) as connection:
        await checkpoint_rows.enrol(connection, runtime.catalog, [STORE])
        stand = await checkpoint_rows.load(connection, runtime.catalog, [STORE])
        await connection.execute("COMMIT")
    async with lent(runtime.log_pool) as connection:
        events = read_events(await fetch(connection, [Want(tenant_id=STORE, after=0, limit=10)]))
    return Batch(leases=(lease,), checkpoints=tuple(stand), events=events)


async def test_a_round_is_three_round_trips_to_postgresql_and_one_to_redis(servers: Servers) -> None:
    """Of all prompt views, for an order whose store is known: the log, the rows, the end; then Redis."""
    log = two_orders()
    prompt = [one for one in PROJECTIONS if one.sums is None]
    async with open_runtime(servers, prompt) as runtime:
        parts = parts_of(runtime)

        async def commit(batch: Batch) -> BatchResult:
            return await project(runtime.read_pool, runtime.catalog, batch, carry_on)

        rounds, shard = Rounds(parts, commit), Shard(parts, await runtime.lease(shard_of(STORE)))
        await write_log(servers.write_admin_url, log.events[:1])
        await rounds.look([shard])
        await rounds.take({shard.number: shard}, rounds.choose([shard]).together)
        await write_log(servers.write_admin_url, log.events[1:])
        assert shard.hear(STORE, 2)
        token = request_variable.set(RequestContext(None, None))
        await rounds.take({shard.number: shard}, rounds.choose([shard]).together)
        request_variable.reset(token)
        (trips,) = ROUND_TRIPS.of_requests()
        assert {one.position for one in shard.tenants.checkpoints() if one.name == "order_list"} == {2}
    assert trips.count == (3, 1)
    await assert_identical(servers, prompt)


async def test_what_a_round_has_read_is_not_read_again_for_sums(servers: Servers) -> None:
    """The gathered views' batch begins with its transaction, and comes to the same rows."""
    log = two_orders()
    await write_log(servers.write_admin_url, log.events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        parts = parts_of(runtime)

        async def commit(batch: Batch) -> BatchResult:
            return await project(runtime.read_pool, runtime.catalog, batch, carry_on)

        rounds, shard = Rounds(parts, commit), Shard(parts, await runtime.lease(shard_of(STORE)))
        await rounds.look([shard])
        await rounds.take({shard.number: shard}, rounds.choose([shard], gathers=False).together)
        token = request_variable.set(RequestContext(None, None))
        await rounds.take({shard.number: shard}, rounds.choose([shard]).gathered)
        request_variable.reset(token)
        (trips,) = ROUND_TRIPS.of_requests()
        assert {one.position for one in shard.tenants.checkpoints()} == {2}
    assert not [text for text in trips.statements if "log.event" in text]
    await assert_identical(servers)


@pytest.mark.parametrize("change", ["position = 1", "revision = 1", "parked = 1", "paused = true", "mode = 'kept'"])
async def test_a_checkpoint_that_is_not_as_believed_closes_the_gate_for_all(
    servers: Servers, read_admin: asyncpg.Connection, change: str
) -> None:
    """Though it has changed only after the rows were loaded: no row and no other checkpoint moves."""
    await write_log(servers.write_admin_url, two_orders().events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        lease = await runtime.lease(shard_of(STORE))
        batch = await batch_of(runtime, lease)
        await read_admin.execute(f"UPDATE projection.checkpoint SET {change} WHERE {_STANDS}", *one_of(batch).id)  # noqa: S608 - ours
        before = await dump_read_database(servers)
        assert not await end(runtime, batch)
    assert await dump_read_database(servers) == before


async def test_a_lost_lease_and_a_held_checkpoint_close_the_gate_without_waiting(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """One of two leases is enough; and who holds a checkpoint is not waited for."""
    await write_log(servers.write_admin_url, two_orders().events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        lease = await runtime.lease(shard_of(STORE))
        batch = await batch_of(runtime, lease)
        before = await dump_read_database(servers)
        lost = msgspec.structs.replace(lease, shard=(lease.shard + 1) % 16, epoch=0)
        assert not await end(runtime, msgspec.structs.replace(batch, leases=(lease, lost)))
        async with transaction(runtime.read_pool, tenant_id=None) as other:
            await checkpoint_rows.lock_one(other, STORE, one_of(batch).build_id)
            assert not await end(runtime, batch)
        assert await dump_read_database(servers) == before
        assert await end(runtime, batch)
    await assert_ended(servers, read_admin)


@pytest.mark.parametrize("column", ["position", "revision"])
async def test_what_changes_between_the_snapshot_and_the_locks_closes_the_gate(
    servers: Servers, read_admin: asyncpg.Connection, column: str
) -> None:
    """The statement waits for a lease, and a checkpoint that its snapshot shows as believed moves on meanwhile."""
    await write_log(servers.write_admin_url, two_orders().events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        lease = await runtime.lease(shard_of(STORE))
        batch = await batch_of(runtime, lease)
        before = await dump_read_database(servers)
        change = f"UPDATE projection.checkpoint SET {column} = {column} + $5 WHERE {_STANDS}"  # noqa: S608 - ours
        async with held_up(servers, read_admin, lease, end(runtime, batch)) as (ending, _):
            await read_admin.execute(change, *one_of(batch).id, 1)
        assert not await ending
        await read_admin.execute(change, *one_of(batch).id, -1)
    assert await dump_read_database(servers) == before


async def test_what_changes_nothing_that_is_believed_leaves_the_gate_open(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """The lease is renewed, checkpoints are written anew as they were: what is locked is not what the snapshot shows.

    Were the gate open and a checkpoint not moved, the same events would be folded into the same rows again.
    """
    await write_log(servers.write_admin_url, two_orders().events)
    async with open_runtime(servers, PROJECTIONS) as runtime:
        lease = await runtime.lease(shard_of(STORE))
        batch = await batch_of(runtime, lease)
        async with held_up(servers, read_admin, lease, end(runtime, batch)) as (ending, holder):
            await read_admin.execute("UPDATE projection.checkpoint SET paused = paused")
            await holder.execute("UPDATE projection.lease SET expires_at = expires_at + interval '1 s'")
        assert await ending
    await assert_ended(servers, read_admin)


@asynccontextmanager
async def held_up(
    servers: Servers, read_admin: asyncpg.Connection, lease: Lease, statement: Coroutine[None, None, bool]
) -> AsyncIterator[tuple[asyncio.Task[bool], asyncpg.Connection]]:
    """Within the block the statement waits for its lease, which another connection holds."""
    holder = await asyncpg.connect(servers.read_admin_url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM projection.lease WHERE shard = $1 FOR UPDATE", lease.shard)
            ending = asyncio.create_task(statement)
            # Not by the holder: within a transaction PostgreSQL says again what it said first.
            await eventually(lambda: read_admin.fetchval(_WAITS))
            yield ending, holder
    finally:
        await holder.close()


async def assert_ended(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Every prompt view shows both orders, and says so."""
    rows = await read_admin.fetch("SELECT name, position FROM projection.checkpoint")
    moved = {one.view.name: 0 if one.sums else 2 for one in PROJECTIONS}
    assert {row["name"]: row["position"] for row in rows} == moved
    await assert_identical(servers)


def one_of(batch: Batch) -> Checkpoint:
    """A prompt view's, which other views go by."""
    return next(one for one in batch.checkpoints if one.name == "order_list")


async def end(runtime: Runtime, batch: Batch) -> bool:
    """Fold the batch's prompt views and end it; whether the gate was open."""
    parts = [one for one in scan_batch(runtime.catalog, batch) if not one.is_added]
    for part in parts:
        part.fold(())
    moves: Sequence[tuple[Checkpoint, Checkpoint]] = [
        pair for part in parts for pair in zip(part.checkpoints, part.moved(batch.events), strict=True)
    ]
    async with lent(runtime.read_pool) as connection:
        changed = [part.changed() for part in parts]
        return await at_once.save_and_move(connection, batch.leases, moves, changed)


async def test_a_batch_that_parks_goes_step_by_step(servers: Servers) -> None:
    """What folding stops at is known before anything is saved, and ends in the same transaction as its rows."""
    await write_log(servers.write_admin_url, two_orders().events)
    reached: list[FaultPoint] = []

    def fail(order: object) -> None:
        raise RuntimeError(order)

    async with open_runtime(servers, (tally(evolving=fail),)) as runtime:
        batch = await batch_of(runtime, await runtime.lease(shard_of(STORE)))
        result = await project(runtime.read_pool, runtime.catalog, batch, reached.append)
    assert [one.parked for one in result.checkpoints] == [2]
    assert reached == [FaultPoint.FOLD, *list(FaultPoint)[1:5]]
