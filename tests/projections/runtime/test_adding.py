"""Rows of sums are added to without being read, and come out as if they had been."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import asyncpg
import msgspec
from structlog.testing import capture_logs

from projections import kpis
from projections.fold import AnyRecorded
from projections.registry import PROJECTIONS
from projections.runtime import checkpoints as checkpoint_rows
from projections.runtime.batch import Batch
from projections.runtime.fault_points import carry_on
from projections.runtime.folding import TenantEvents
from projections.runtime.projecting import project
from read_side.kpis.view import KpiDayRow
from shared_kernel.database.transactions import transaction
from shared_kernel.log.partitions import shard_of
from shared_kernel.views import Key
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, NOON, PERSUASION, OrderLog, id_of, line
from tests.builders.projecting import AnyProjection, Runtime, assert_identical, open_runtime
from tests.servers import Servers

STORE = id_of("one")
SUMS = tuple(one for one in PROJECTIONS if one.sums is not None)
_LARGE = 2**62
_UNCOUNTED = """
SELECT c.name, c.rows, r.rows AS stand FROM projection.checkpoint c JOIN (
    SELECT 'sales' AS name, count(*) AS rows FROM read.sales__v3
    UNION ALL SELECT 'best_sellers', count(*) FROM read.best_sellers__v2
    UNION ALL SELECT 'kpis', count(*) FROM read.kpis__v1) r USING (name)
WHERE c.rows <> r.rows
"""


async def project_apart(runtime: Runtime, events: Sequence[AnyRecorded], *cuts: int) -> None:
    """The store's events in batches that end after these positions, and with the last one."""
    lease = await runtime.lease(shard_of(STORE))
    for start, end in zip((0, *cuts), (*cuts, len(events)), strict=True):
        async with transaction(runtime.read_pool, tenant_id=None) as connection:
            await checkpoint_rows.enrol(connection, runtime.catalog, [STORE])
            stand = await checkpoint_rows.load(connection, runtime.catalog, [STORE])
            await connection.execute("COMMIT")
        run = TenantEvents(tenant_id=STORE, recorded=tuple(events[start:end]), unreadable=None)
        batch = Batch(leases=(lease,), checkpoints=tuple(stand), events={STORE: run})
        await project(runtime.read_pool, runtime.catalog, batch, carry_on)


async def test_batches_add_up_to_one_fold(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Of known and new rows together, of sums that come to nothing, of a title that changes; rows are counted once."""
    log = OrderLog(STORE)
    first = log.place("first", [line(EMMA), line(PERSUASION, 2)])
    renamed = msgspec.structs.replace(EMMA, title="Emma, illustrated")
    log.place("second", [line(renamed), line(PERSUASION)], channel="pos")
    log.cancel(first, at=NOON + timedelta(days=1))
    again = log.place("third", [line(EMMA)], at=NOON + timedelta(days=1))
    log.cancel(again, at=NOON + timedelta(days=1))
    log.take_back([line(renamed)], at=NOON + timedelta(days=1))
    await write_log(servers.write_admin_url, log.events)
    async with open_runtime(servers, SUMS) as runtime:
        await project_apart(runtime, log.events, 1, 3, 5)
    assert {one.view.name for one in SUMS} == {"sales", "best_sellers", "kpis"}
    assert await read_admin.fetch(_UNCOUNTED) == []
    await assert_identical(servers, SUMS)


def too_large(recorded: AnyRecorded) -> Iterator[tuple[Key, KpiDayRow]]:
    """As the real one, of tax that no column holds twice."""
    for key, part in kpis.PROJECTION.touches(recorded):
        assert isinstance(part, KpiDayRow)
        yield key, msgspec.structs.replace(part, tax_minor=_LARGE)


async def test_a_sum_past_its_column_is_parked_and_no_other(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """What PostgreSQL finds too large when adding waits at its event, and the row stays as it was."""
    log = OrderLog(STORE)
    for number, day in enumerate((0, 0, 1)):
        log.place(f"order {number}", [line(EMMA)], at=NOON + timedelta(days=day))
    await write_log(servers.write_admin_url, log.events)
    large: AnyProjection = msgspec.structs.replace(kpis.PROJECTION, touches=too_large)
    async with open_runtime(servers, (large,)) as runtime:
        with capture_logs() as logged:
            await project_apart(runtime, log.events, 1)
    refused = {"event": "batch_refused", "log_level": "warning", "tenants": 1, "error": "NumericValueOutOfRangeError"}
    assert [one for one in logged if one["event"] == "batch_refused"] == [refused]
    waiting = await read_admin.fetch("SELECT key, first_position FROM projection.parked_key")
    rows = await read_admin.fetch("SELECT day::text, orders, position FROM read.kpis__v1 ORDER BY day")
    assert [tuple(one) for one in waiting] == [("2009-12-01", 2)]
    assert [tuple(one) for one in rows] == [("2009-12-01", 1, 1), ("2009-12-02", 1, 3)]
    assert await read_admin.fetchval("SELECT rows FROM projection.checkpoint") == 2
    await assert_identical(servers, (large,))
