"""Every row can say which events made it, and saying so does not read the rest of the log."""

from functools import partial

import asyncpg
import pytest

from projections.explanation.explain import Explainer, Explanation, NothingTouchedError
from projections.registry import PROJECTIONS
from projections.runtime.row_keys import select_as_json
from shared_kernel.log.archive.errors import LogBrokenError
from shared_kernel.views import encode_key
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, PERSUASION, OrderLog, id_of, line
from tests.builders.projecting import AnyProjection, open_runtime, projected, running_projector
from tests.builders.tally import failing_on, tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")
_READ = """
SELECT coalesce(sum(seq_tup_read), 0)::int AS scanned, coalesce(sum(idx_tup_fetch), 0)::int AS fetched
FROM pg_stat_user_tables WHERE schemaname = 'log' AND relname LIKE 'event%'
"""


async def explained(servers: Servers, projection: AnyProjection, key: str, *, limit: int = 1_000) -> Explanation:
    """What explaining says, by connections of its own."""
    async with open_runtime(servers, (projection,)) as runtime:
        explainer = Explainer(log_pool=runtime.log_pool, read_pool=runtime.read_pool, catalog=runtime.catalog)
        return await explainer.explain(projection.view.name, key, tenant_id=STORE, limit=limit)


def told(explanation: Explanation) -> list[tuple[int, str, dict[str, tuple[object, object]]]]:
    """Position, effect and changed columns of each event."""
    return [
        (one.position, one.effect, {column.column: (column.before, column.after) for column in one.columns})
        for one in explanation.changes
    ]


async def test_each_event_says_what_it_changed(servers: Servers) -> None:
    """From nothing to the row that stands; what an operator skipped and what waits is shown as that."""
    log = OrderLog(STORE)
    for name, channel in (("a", "web"), ("b", "web"), ("c", "pos"), ("d", "web"), ("e", "web")):
        log.place(name, [line(EMMA)], channel=channel)
    await write_log(servers.write_admin_url, log.events)
    admin = await asyncpg.connect(servers.read_admin_url)
    await admin.execute(
        "INSERT INTO projection.skipped (tenant_id, name, version, key, position, why, skipped_by)"
        " VALUES ($1, 'tally', 1, 'web', 2, 'a test', 'test')",
        STORE,
    )
    await admin.close()
    async with running_projector(servers, projections=(tally(evolving=failing_on("e")),)):
        await projected(servers, projections=1, parked=True)
    found = await explained(servers, tally(), "web")
    assert told(found) == [
        (1, "created", {"channel": (None, "web"), "copies": (None, 1), "last": (None, "SW-a")}),
        (2, "skipped", {}),
        (4, "changed", {"copies": (1, 2), "last": ("SW-a", "SW-d")}),
        (5, "waiting", {}),
    ]
    assert (found.identical, found.row) == (True, {"channel": "web", "copies": 2, "last": "SW-d"})
    assert [one.position for one in (await explained(servers, tally(), "web", limit=1)).changes] == [5]
    with pytest.raises(NothingTouchedError, match="no event up to position 5 touches mail in tally"):
        await explained(servers, tally(), "mail")


async def test_every_projection_explains_its_rows(servers: Servers) -> None:
    """A row of each, found by its key's text, is what the events behind it make."""
    log = OrderLog(STORE)
    orders = [log.place(f"{number}", [line(EMMA), line(PERSUASION, 2)], channel="web") for number in range(100)]
    for order in orders[::3]:
        log.fulfil(order)
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers):
        await projected(servers)
    admin = await asyncpg.connect(servers.read_admin_url)
    explained_projections = 0
    for projection in PROJECTIONS:
        view = projection.view
        keys = ", ".join(view.key)
        row = await admin.fetchrow(f"SELECT {keys} FROM {view.table.fullname} LIMIT 1")  # noqa: S608 - names of a Table
        if row is None:
            continue
        key = encode_key(tuple(row))
        found = await explained(servers, projection, key)
        assert found.identical, f"{view.label} {key}"
        assert found.events > 0
        assert await admin.fetchval(select_as_json(view), STORE, 1, *(f"{part}" for part in row)) is not None
        explained_projections += 1
    await admin.close()
    assert explained_projections >= 5


async def test_explaining_reads_the_events_behind_the_row_and_no_others(servers: Servers) -> None:
    """PostgreSQL's own count of rows read from the log: those of the row, and less than a block that is not indexed."""
    log = OrderLog(STORE)
    for number in range(1_000):
        log.place(f"{number}", [line(EMMA)], channel="pos" if number % 100 == 7 else "web")
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    assert (await explained(servers, tally(), "pos")).events == 10  # and the index is there now
    admin = await asyncpg.connect(servers.write_admin_url)
    before = await settled(admin)
    found = await explained(servers, tally(), "pos")
    after = await settled(admin)
    await admin.close()
    assert (found.events, found.identical) == (10, True)
    assert after[0] == before[0]
    assert 10 <= after[1] - before[1] <= found.events_read <= 10 + 64


async def settled(admin: asyncpg.Connection) -> tuple[int, int]:
    """How many rows of the log have been scanned and fetched, once every other session has ended and said so."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    await eventually(lambda: admin.fetchval(others), lambda count: count == 0)
    row = await admin.fetchrow(_READ)
    return row["scanned"], row["fetched"]


async def test_a_log_that_cannot_be_read_leaves_the_others_indexed(servers: Servers) -> None:
    """Whichever of two stores lacks an event, the other's index is filled in the background."""
    stores = sorted(id_of(name) for name in ("one", "two"))
    read, log = await asyncpg.connect(servers.read_admin_url), await asyncpg.connect(servers.write_admin_url)
    for store in stores:
        its = OrderLog(store)
        for number in range(70):
            its.place(f"{number}", [line(EMMA)])
        await write_log(servers.write_admin_url, its.events)
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    indexed = "SELECT count(*) FROM projection.touch_index WHERE blocks > 0 AND tenant_id = $1"
    for broken, whole in (stores, reversed(stores)):
        await read.execute("TRUNCATE projection.touch_index, projection.touch_block")
        await log.execute("SET session_replication_role = replica")
        await log.execute(
            "UPDATE log.event SET position = position + 1000 WHERE tenant_id = $1 AND position = 1", broken
        )
        async with running_projector(servers, projections=(tally(),)):
            await eventually(partial(read.fetchval, indexed, whole))
        await log.execute("UPDATE log.event SET position = 1 WHERE tenant_id = $1 AND position = 1001", broken)
    await read.close()
    await log.close()


async def test_a_block_with_a_gap_is_indexed_once_it_is_whole(servers: Servers) -> None:
    """Until then nothing is explained by the half of it; afterwards nothing of the other half is missing."""
    its = OrderLog(STORE)
    for number in range(70):
        its.place(f"{number}", [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, its.events)
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    read, log = await asyncpg.connect(servers.read_admin_url), await asyncpg.connect(servers.write_admin_url)
    await read.execute("TRUNCATE projection.touch_index, projection.touch_block")
    await log.execute("SET session_replication_role = replica")
    await log.execute("UPDATE log.event SET position = 1030 WHERE position = 30")
    with pytest.raises(LogBrokenError, match="event 30 is neither"):
        await explained(servers, tally(), "web")
    await log.execute("UPDATE log.event SET position = 30 WHERE position = 1030")
    found = await explained(servers, tally(), "web")
    assert (found.events, found.identical) == (70, True)
    await read.close()
    await log.close()
