"""What cannot be folded waits, in order, and nothing else does."""

import random
import string
from uuid import UUID

import asyncpg

from projections import order_list
from projections.fold import AnyRecorded
from projections.runtime import parking
from shared_kernel.events.orders import OrderPlaced
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.tally import failing_on, tally
from tests.eventually import eventually
from tests.servers import Servers

ONE, TWO = id_of("one"), id_of("two")
ORDERS = order_list.PROJECTION
_TALLIES = "SELECT channel, copies, last, position FROM read.tally__v1 WHERE tenant_id = $1 ORDER BY channel"


async def tallies(admin: asyncpg.Connection, tenant_id: UUID) -> dict[str, tuple[int, str, int]]:
    """Copies, last order and position by channel."""
    rows = await admin.fetch(_TALLIES, tenant_id)
    return {row["channel"]: (row["copies"], row["last"], row["position"]) for row in rows}


async def parked(admin: asyncpg.Connection) -> list[tuple[str, str, int, str]]:
    """Projection, key, first position and state of what is parked."""
    rows = await admin.fetch("SELECT name, key, first_position, state FROM projection.parked_key ORDER BY name, key")
    return [tuple(row) for row in rows]


async def write_stores(servers: Servers, *orders: tuple[str, str]) -> None:
    """The same orders (name, channel) in two stores."""
    for tenant_id in (ONE, TWO):
        log = OrderLog(tenant_id)
        for name, channel in orders:
            log.place(f"{name} of {'one' if tenant_id == ONE else 'two'}", [line(EMMA)], channel=channel)
        await write_log(servers.write_admin_url, log.events)


_PARK_AHEAD = """
WITH moved AS (
    UPDATE projection.checkpoint SET parked = parked + 1, revision = revision + 1 WHERE name = 'tally' RETURNING *)
INSERT INTO projection.parked_key
    (id, tenant_id, name, version, build, key, state, first_position, attempts, error, next_attempt_at)
SELECT gen_random_uuid(), tenant_id, name, version, build, 'web', 'retrying', 2, 3, 'the process died', now()
FROM moved
"""


async def test_a_key_parked_ahead_of_its_event_is_not_tried_before(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """As a crash parks it: the attempts it has left are not used up on nothing while the event is still to come."""
    log = OrderLog(ONE)
    for order in ("a", "b"):
        log.place(order, [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, log.events[:1])
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    await read_admin.execute(_PARK_AHEAD)
    assert await parking.due(read_admin, [ONE], [("tally", 1)], limit=9) == []
    await write_log(servers.write_admin_url, log.events[1:])
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    assert await parked(read_admin) == []
    assert await tallies(read_admin, ONE) == {"web": (2, "SW-b", 2)}
    await assert_identical(servers, (tally(),))


async def test_one_key_waits_and_heals_in_order(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """A broken fold parks one store's one row; mended, it shows every event once, in the log's order."""
    await write_stores(servers, ("a", "web"), ("b", "web"), ("c", "pos"), ("d", "web"))
    async with running_projector(servers, projections=(tally(evolving=failing_on("b of one")), ORDERS)):
        await projected(servers, projections=2, parked=True)
        assert await parked(read_admin) == [("tally", "web", 2, "retrying")]
        queued = await read_admin.fetch("SELECT position FROM projection.parked_event ORDER BY position")
        assert [row["position"] for row in queued] == [2, 4]
        assert await tallies(read_admin, ONE) == {"pos": (1, "SW-c of one", 3), "web": (1, "SW-a of one", 1)}
        assert await tallies(read_admin, TWO) == {"pos": (1, "SW-c of two", 3), "web": (3, "SW-d of two", 4)}
        counted = await read_admin.fetch("SELECT tenant_id, parked FROM projection.checkpoint WHERE name = 'tally'")
        assert {row["tenant_id"]: row["parked"] for row in counted} == {ONE: 1, TWO: 0}
    async with running_projector(servers, projections=(tally(), ORDERS)):
        await projected(servers, projections=2)
    assert (await tallies(read_admin, ONE))["web"] == (3, "SW-d of one", 4)
    await assert_identical(servers, (tally(), ORDERS))


async def test_a_parked_row_is_verified_up_to_where_it_waits(servers: Servers) -> None:
    """Verifying with the mended fold does not take a parked row for a wrong one."""
    await write_stores(servers, ("a", "web"), ("b", "web"))
    async with running_projector(servers, projections=(tally(evolving=failing_on("b of one")),)):
        await projected(servers, projections=1, parked=True)
    await assert_identical(servers, (tally(),))


async def test_a_key_is_dead_after_its_last_attempt(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Attempts are bounded, and what is dead is not tried again."""
    await write_stores(servers, ("a", "web"))

    async def hurry() -> list[tuple[str, int]]:
        await read_admin.execute("UPDATE projection.parked_key SET next_attempt_at = '-infinity'")
        rows = await read_admin.fetch("SELECT state, attempts FROM projection.parked_key")
        return [tuple(row) for row in rows]

    async with running_projector(servers, projections=(tally(evolving=failing_on("a of one")),)):
        await eventually(hurry, lambda rows: rows == [("dead", 5)])
        await write_log(servers.write_admin_url, more(ONE, "later", after=1))
        await projected(servers, projections=1, parked=True)
        assert await hurry() == [("dead", 5)]


async def test_a_long_queue_heals_part_by_part(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """More events than one attempt takes wait behind a key, and none is lost when it heals."""
    log = OrderLog(ONE)
    for number in range(2_100):
        log.place(f"{number}", [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers, projections=(tally(evolving=failing_on("0")),)):
        await projected(servers, projections=1, parked=True)
        assert await read_admin.fetchval("SELECT count(*) FROM projection.parked_event") == 2_100
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    assert await tallies(read_admin, ONE) == {"web": (2_100, "SW-2099", 2_100)}


async def test_unknown_rows_park_the_tenant_for_the_projection(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """Where it cannot be said which rows an event touches, that projection of that store stops before it."""
    await write_stores(servers, ("a", "web"), ("b", "web"), ("c", "pos"))
    async with running_projector(servers, projections=(tally(touching=failing_on("b of one")), ORDERS)):
        await eventually(
            lambda: read_admin.fetchval("SELECT count(*) FROM projection.checkpoint WHERE position = 3"),
            lambda reached: reached == 3,
        )
        assert await parked(read_admin) == [("tally", "*", 2, "retrying")]
        assert await tallies(read_admin, ONE) == {"web": (1, "SW-a of one", 1)}
        assert (await tallies(read_admin, TWO))["web"] == (2, "SW-b of two", 2)
    async with running_projector(servers, projections=(tally(), ORDERS)):
        await projected(servers, projections=2)
    assert await tallies(read_admin, ONE) == {"pos": (1, "SW-c of one", 3), "web": (2, "SW-b of one", 2)}


async def test_rows_the_database_refuses_are_found_among_the_others(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """A text too long for its index and a number past 64 bits park their own rows."""
    noise = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=20_000))  # noqa: S311 - incompressible
    log = OrderLog(ONE)
    for channel in ("a", "b", "c", "d", "e"):
        name = {"b": noise, "d": "huge"}.get(channel, f"order {channel}")
        log.place(name, [line(EMMA)], channel=channel)
    await write_log(servers.write_admin_url, log.events)

    def copies_of(order: OrderPlaced) -> int:
        return 2**63 if order.number == "SW-huge" else order.item_count

    projections = (tally(copies_of=copies_of),)
    async with running_projector(servers, projections=projections):
        await projected(servers, projections=1, parked=True)
    assert [one[1] for one in await parked(read_admin)] == ["b", "d"]
    assert set(await tallies(read_admin, ONE)) == {"a", "c", "e"}
    await assert_identical(servers, projections)


async def test_an_unreadable_event_stops_its_tenant_until_it_can_be_read(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """An event of a later release waits for that release; other stores go on."""
    await write_stores(servers, ("a", "web"), ("b", "web"))
    log_admin = await asyncpg.connect(servers.write_admin_url)
    rename = "UPDATE log.event SET type = $1 WHERE tenant_id = $2 AND position = 2"
    await log_admin.execute(rename, "OrderTeleported", ONE)
    async with running_projector(servers, projections=(tally(),)):
        await eventually(lambda: parked(read_admin), lambda found: found == [("tally", "*", 2, "retrying")])
        await eventually(lambda: tallies(read_admin, TWO), lambda rows: rows.get("web", (0,))[0] == 2)
        assert await tallies(read_admin, ONE) == {"web": (1, "SW-a of one", 1)}
        await log_admin.execute(rename, "OrderPlaced", ONE)
        await projected(servers, projections=1)
    await log_admin.close()
    assert (await tallies(read_admin, ONE))["web"] == (2, "SW-b of one", 2)


def more(tenant_id: UUID, name: str, *, after: int) -> list[AnyRecorded]:
    """One more order of a store whose log has `after` events."""
    log = OrderLog(tenant_id)
    for number in range(after + 1):
        log.place(f"{name} {number}", [line(EMMA)], channel="pos")
    return log.events[after:]
