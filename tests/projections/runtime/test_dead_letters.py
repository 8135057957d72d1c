"""What operators may do about dead keys: try again, or skip for good; and what every fold makes of it."""

import asyncpg
import pytest

from projections.fold import Projection
from projections.runtime import healing
from shared_kernel.identifiers import new_id
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.tally import Tally, failing_on, tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")
_ASK = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
SELECT $1, $2, p.name, p.version, p.tenant_id, jsonb_build_object('dead_letter', p.id, 'why', 'a test'), 'test'
FROM projection.parked_key p
"""
_BEGUN_LONG_AGO = """
UPDATE projection.request SET state = 'running', started_at = clock_timestamp() - interval '1 hour' WHERE id = $1
"""
_OF_A_RELEASE_LONG_GONE = """
UPDATE projection.request SET version = 7, requested_at = clock_timestamp() - interval '1 hour' WHERE id = $1
"""
_MANY_ANSWERED = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by, state)
SELECT gen_random_uuid(), 'retry', 'tally', 1, '{}', 'test', 'done' FROM generate_series(1, 5000)
"""
_ANSWER = "SELECT state, error FROM projection.request WHERE id = $1"
_TALLIES = """
SELECT channel, copies, last, position FROM read.tally__v1 JOIN read.active_build USING (tenant_id, build)
WHERE tenant_id = $1 ORDER BY channel
"""


@pytest.fixture
async def store(servers: Servers) -> Servers:
    """Four orders of a channel and one of another."""
    log = OrderLog(STORE)
    for order, channel in (("a", "web"), ("b", "web"), ("c", "web"), ("d", "pos"), ("e", "web")):
        log.place(order, [line(EMMA)], channel=channel)
    await write_log(servers.write_admin_url, log.events)
    return servers


async def until_dead(admin: asyncpg.Connection) -> None:
    """Hurry through the attempts."""

    async def states() -> list[str]:
        await admin.execute("UPDATE projection.parked_key SET next_attempt_at = '-infinity' WHERE state = 'retrying'")
        return [row["state"] for row in await admin.fetch("SELECT state FROM projection.parked_key")]

    await eventually(states, lambda found: bool(found) and set(found) == {"dead"})


async def answer(admin: asyncpg.Connection, kind: str) -> tuple[str, str | None]:
    """Ask it of the one parked key, and what comes of it."""
    request_id = new_id()
    await admin.execute(_ASK, request_id, kind)

    async def look() -> tuple[str, str | None]:
        return tuple(await admin.fetchrow(_ANSWER, request_id))

    return await eventually(look, lambda seen: seen[0] in {"done", "failed"})


async def waiting(admin: asyncpg.Connection) -> list[tuple[str, int, str]]:
    """Key, first position and state of what is parked."""
    rows = await admin.fetch("SELECT key, first_position, state FROM projection.parked_key ORDER BY key")
    return [tuple(row) for row in rows]


async def tallies(admin: asyncpg.Connection) -> list[tuple[str, int, str, int]]:
    """The rows that readers see."""
    return [tuple(row) for row in await admin.fetch(_TALLIES, STORE)]


async def rebuilt(servers: Servers, admin: asyncpg.Connection, projection: Projection[Tally]) -> None:
    """Fold everything from scratch into the next build, and switch to it."""
    await admin.execute(
        "INSERT INTO projection.request (id, kind, name, version, options, requested_by)"
        " VALUES ($1, 'rebuild', 'tally', 1, '{}', 'test')",
        new_id(),
    )
    async with running_projector(servers, projections=(projection,)):
        await eventually(lambda: admin.fetchval("SELECT min(build) FROM read.active_build"), lambda build: build == 2)


async def test_a_retry_keeps_the_order_and_says_when_it_fails(store: Servers, read_admin: asyncpg.Connection) -> None:
    """A dead key fails again while its fold is broken; mended, its events are folded in order and it is released."""
    broken = tally(evolving=failing_on("b"))
    async with running_projector(store, projections=(broken,)):
        await projected(store, projections=1, parked=True)
        await until_dead(read_admin)
        state, error = await answer(read_admin, "retry")
        assert (state, error is not None and error.startswith("it failed again: RuntimeError")) == ("failed", True)
        assert await waiting(read_admin) == [("web", 2, "dead")]
        trace = await read_admin.fetchval("SELECT traceback FROM projection.parked_key")
        assert trace.splitlines()[-1].startswith("tests.builders.tally:")
    async with running_projector(store, projections=(tally(),)):
        assert await answer(read_admin, "retry") == ("done", None)
        assert await waiting(read_admin) == []
    assert await tallies(read_admin) == [("pos", 1, "SW-d", 4), ("web", 4, "SW-e", 5)]
    await assert_identical(store, (tally(),))


async def test_a_retry_heals_as_far_as_it_goes(store: Servers, read_admin: asyncpg.Connection) -> None:
    """Events before the next broken one are shown, and the key waits at that one, alive again."""
    async with running_projector(store, projections=(tally(evolving=failing_on("b", "e")),)):
        await projected(store, projections=1, parked=True)
        await until_dead(read_admin)
    async with running_projector(store, projections=(tally(evolving=failing_on("e")),)):
        assert await answer(read_admin, "retry") == ("done", None)
        assert (await waiting(read_admin))[0][:2] == ("web", 5)
    assert ("web", 3, "SW-c", 3) in await tallies(read_admin)
    await assert_identical(store, (tally(),))


async def test_a_refused_row_waits_at_the_event_that_made_it_so(store: Servers, read_admin: asyncpg.Connection) -> None:
    """The database refuses a whole row; which of many events is to blame is found."""
    async with running_projector(store, projections=(tally(evolving=failing_on("a")),)):
        await projected(store, projections=1, parked=True)
        await until_dead(read_admin)
    async with running_projector(
        store, projections=(tally(copies_of=lambda order: 2**63 if order.number == "SW-c" else 1),)
    ):
        assert await answer(read_admin, "retry") == ("done", None)
        assert (await waiting(read_admin))[0][:2] == ("web", 3)
    assert ("web", 2, "SW-b", 2) in await tallies(read_admin)


async def test_a_skipped_event_is_left_out_by_every_fold(store: Servers, read_admin: asyncpg.Connection) -> None:
    """The key goes on with the next event; verifying and rebuilding, also with a fold that could, come to the same."""
    broken = tally(evolving=failing_on("b"))
    async with running_projector(store, projections=(broken,)):
        await projected(store, projections=1, parked=True)
        await until_dead(read_admin)
        assert await answer(read_admin, "skip") == ("done", None)
        await projected(store, projections=1)
    shown = [("pos", 1, "SW-d", 4), ("web", 3, "SW-e", 5)]
    assert await tallies(read_admin) == shown
    for projection in (broken, tally()):
        await assert_identical(store, (projection,))
    await rebuilt(store, read_admin, tally())
    assert await tallies(read_admin) == shown
    await assert_identical(store, (tally(),))
    (row,) = await read_admin.fetch("SELECT key, position, why, skipped_by FROM projection.skipped")
    assert tuple(row) == ("web", 2, "a test", "test")


async def test_an_illegible_event_can_be_skipped_too(store: Servers, read_admin: asyncpg.Connection) -> None:
    """Nobody knows which rows it touches: the projection leaves it out whole, then and from scratch."""
    log_admin = await asyncpg.connect(store.write_admin_url)
    await log_admin.execute("UPDATE log.event SET type = 'OrderTeleported' WHERE position = 5")
    await log_admin.close()
    async with running_projector(store, projections=(tally(),)):
        await eventually(lambda: waiting(read_admin), lambda found: [one[:2] for one in found] == [("*", 5)])
        await until_dead(read_admin)
        assert await answer(read_admin, "skip") == ("done", None)
        await projected(store, projections=1)
    assert ("web", 3, "SW-c", 3) in await tallies(read_admin)
    await rebuilt(store, read_admin, tally())
    await assert_identical(store, (tally(),))


async def test_what_is_not_dead_is_neither_tried_nor_skipped(store: Servers, read_admin: asyncpg.Connection) -> None:
    """A key that is still being tried by itself is left to that."""
    async with running_projector(store, projections=(tally(evolving=failing_on("b")),)):
        await projected(store, projections=1, parked=True)
        await read_admin.execute("UPDATE projection.parked_key SET next_attempt_at = 'infinity'")
        assert await answer(read_admin, "skip") == ("failed", "it is not dead: it is still being tried by itself")
    assert await read_admin.fetchval("SELECT count(*) FROM projection.skipped") == 0


async def test_what_is_asked_of_a_key_that_has_just_healed_is_answered(
    store: Servers, read_admin: asyncpg.Connection
) -> None:
    """No shard has a waiting key to look at; nor does anybody look at a version that no release runs."""
    async with running_projector(store, projections=(tally(evolving=failing_on("b")),)):
        await projected(store, projections=1, parked=True)
        await until_dead(read_admin)
    late, ended, unknown = new_id(), new_id(), new_id()
    await read_admin.execute(_ASK, late, "retry")
    await read_admin.execute(_ASK, ended, "retry")
    await read_admin.execute(_BEGUN_LONG_AGO, ended)  # its worker died after the heal
    await read_admin.execute("UPDATE projection.parked_key SET id = $1", new_id())  # the one they know is no more
    await read_admin.execute(_ASK, unknown, "skip")
    await read_admin.execute(_OF_A_RELEASE_LONG_GONE, unknown)
    await read_admin.execute("UPDATE projection.checkpoint SET parked = 0")  # so that no shard looks
    async with running_projector(store, projections=(tally(),)):

        async def answers() -> dict[object, tuple[str, str | None]]:
            rows = await read_admin.fetch("SELECT id, state, error FROM projection.request")
            return {row["id"]: (row["state"], row["error"]) for row in rows}

        found = await eventually(
            answers, lambda seen: not {"requested", "running"} & {state for state, _ in seen.values()}
        )
    assert found[late] == ("failed", "it waits no more: it was healed meanwhile, or its build was dropped")
    assert found[ended] == ("done", None)
    assert found[unknown] == ("failed", "no release that runs has such a projection or version")


async def test_looking_for_requests_that_nobody_answers_reads_none_that_were_answered(
    read_admin: asyncpg.Connection,
) -> None:
    """Every worker looks each second, and what was ever asked is kept."""
    async with read_admin.transaction():
        await read_admin.execute(_MANY_ANSWERED)
        await read_admin.execute("ANALYZE projection.request")
        plan = await read_admin.fetch(f"EXPLAIN {healing._END_LOST}", "", "", 60.0)  # noqa: SLF001 - its very words
    assert any("request_open" in row[0] for row in plan), plan
