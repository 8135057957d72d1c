"""Builds loaded in bulk come to what ordinary batches come to, however they are cut and whatever is wrong with them."""

import asyncio
import random
import time
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from projections import order_list, principal, store_counts
from projections.runtime.beginning import begin_rebuild
from projections.runtime.fault_points import carry_on
from projections.runtime.loading import claims
from projections.runtime.loading.courtesy import Courtesy, Heard
from projections.runtime.loading.loader import Loader
from projections.runtime.loading.supervision import LoaderPlan, Loading
from projections.runtime.news import News
from projections.runtime.requests import KINDS
from shared_kernel.database.transactions import transaction
from shared_kernel.events.orders import OrderPlaced
from shared_kernel.identifiers import new_id
from tests.builders.projecting import (
    AnyProjection,
    Runtime,
    assert_identical,
    open_runtime,
    projected,
    running_projector,
)
from tests.builders.tally import failing_on, tally
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores

TENANTS = tuple(UUID(int=(number << 120) + number) for number in (1, 2, 3))
_EVENTS = 800
"""Three stores of them are more than ordinary batches are left to do."""
_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
VALUES ($1, 'rebuild', $2, (SELECT max(version) FROM projection.build WHERE name = $2), '{}', 'test')
"""
_WAITING_TO_WRITE = """
SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE NOT granted AND datname = current_database()
    AND relation IN ('loading.order_list__v2_b2'::regclass, 'loading.store_counts__v1_b2'::regclass)
"""
_COUNT_RENEWALS = """
CREATE TABLE public.renewal (claimed_until timestamptz);
CREATE FUNCTION public.note_renewal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.renewal VALUES (NEW.claimed_until);
    RETURN NULL;
END $$;
CREATE TRIGGER note_renewal AFTER UPDATE OF claimed_until ON projection.load FOR EACH ROW
WHEN (NEW.claimed_until > OLD.claimed_until) EXECUTE FUNCTION public.note_renewal();
"""
_TOO_MUCH = 2**70


async def filled(servers: Servers, projections: tuple[AnyProjection, ...]) -> None:
    """Stores that are projected by ordinary batches."""
    await GrowingStores(servers, TENANTS, random.Random(7)).grow(_EVENTS)  # noqa: S311 - a test's choice
    async with running_projector(servers, projections=projections):
        await projected(servers, projections=len(projections), parked=True)


async def ask(admin: asyncpg.Connection, *names: str) -> None:
    """Ask for rebuilds, as an operator does."""
    for name in names:
        await admin.execute(_REQUEST, new_id(), name)


async def done(admin: asyncpg.Connection) -> None:
    """Wait until nothing that was asked for is left to do."""
    await eventually(
        lambda: admin.fetchval("SELECT count(*) FROM projection.request WHERE state <> 'done'"), lambda left: left == 0
    )


async def begin(runtime: Runtime) -> None:
    """What a worker does with requests for rebuilds first."""
    async with transaction(runtime.read_pool, tenant_id=None) as connection:
        asked = "SELECT id, kind, name, version, only_tenant FROM projection.request WHERE kind = ANY($1)"
        for request in await connection.fetch(asked, list(KINDS)):
            await begin_rebuild(connection, runtime.catalog.subject(request["name"]), request)
        await connection.execute("COMMIT")


async def test_a_store_too_large_for_memory_is_loaded_part_by_part(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """Keys that were let go are folded from the beginning, and two builds are filled by one reading of the log."""
    projections: tuple[AnyProjection, ...] = (order_list.PROJECTION, store_counts.PROJECTION)
    await filled(servers, projections)
    await ask(read_admin, "order_list", "store_counts")
    claimed = 0
    async with open_runtime(servers, projections) as runtime:
        await begin(runtime)
        loader = Loader(
            log_pool=runtime.log_pool, read_pool=runtime.read_pool, catalog=runtime.catalog, max_held_rows=150
        )
        while await loader.load_one():
            claimed += 1
    assert claimed > 2 * len(TENANTS)
    async with running_projector(servers, projections=projections):
        await done(read_admin)
    assert set(await read_admin.fetch("SELECT DISTINCT build FROM read.active_build")) == {(2,)}
    await assert_identical(servers, projections)


async def test_what_cannot_be_folded_or_stored_is_parked_as_ever(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """One store's row stops at its event, another's is refused by the database; once the code is mended both heal."""
    poisoned, refused = f"1 of {TENANTS[0].hex[:6]}", f"first of {TENANTS[1].hex[:6]}"

    def too_much(order: OrderPlaced) -> int:
        return _TOO_MUCH if order.number == f"SW-{refused}" else order.item_count

    broken: tuple[AnyProjection, ...] = (tally(evolving=failing_on(poisoned), copies_of=too_much),)
    await filled(servers, broken)
    parked = "SELECT tenant_id, key, first_position FROM projection.parked_key WHERE build = $1 ORDER BY 1, 2"
    before = await read_admin.fetch(parked, 1)
    assert len(before) == 2
    async with running_projector(servers, projections=broken):
        await ask(read_admin, "tally")
        await done(read_admin)
        assert [tuple(row) for row in await read_admin.fetch(parked, 2)] == [tuple(row) for row in before]
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1, within_seconds=60)
    await assert_identical(servers, (tally(),))


async def test_what_loaders_die_of_is_left_to_ordinary_batches(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """Claimed three times and never written, a store is not loaded any more, and loses nothing."""
    projections: tuple[AnyProjection, ...] = (tally(),)
    await filled(servers, projections)
    await ask(read_admin, "tally")
    async with open_runtime(servers, projections) as runtime:
        await begin(runtime)
    await read_admin.execute(
        "UPDATE projection.load SET attempts = 3, claim = $2 WHERE tenant_id = $1", TENANTS[0], new_id()
    )
    async with running_projector(servers, projections=projections):
        await done(read_admin)
    assert set(await read_admin.fetch("SELECT DISTINCT build FROM read.active_build")) == {(2,)}
    await assert_identical(servers, projections)


async def test_a_claim_is_held_however_slowly_it_may_be_loaded(
    servers: Servers, read_admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log in which a view finds nothing is passed at the rate asked for, and renewed after each of four fetches."""
    # Less than a fetch takes at this rate: each is paused after, or took too long by itself.
    monkeypatch.setattr("projections.runtime.loading.loader._RENEWAL_SECONDS", 0.05)
    projections: tuple[AnyProjection, ...] = (principal.PROJECTION,)
    await filled(servers, projections)
    await ask(read_admin, "principal")
    await read_admin.execute("""UPDATE projection.request SET options = '{"rate": 300}'""")
    await read_admin.execute(_COUNT_RENEWALS)
    async with open_runtime(servers, projections) as runtime:
        await begin(runtime)
        loader = Loader(log_pool=runtime.log_pool, read_pool=runtime.read_pool, catalog=runtime.catalog)
        assert await loader.load_one()
    # Beside when it was claimed, when it had been folded, and while it was written.
    assert await read_admin.fetchval("SELECT count(*) FROM public.renewal") - 3 >= 4


async def test_nobody_takes_the_next_build_while_one_is_written(
    servers: Servers, read_admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes, and for as long as a claim lasts once it is: none is folded twice, or given up on."""
    monkeypatch.setattr("projections.runtime.beginning.FEWEST_LOADED_EVENTS", 1)
    monkeypatch.setattr("projections.runtime.loading.claims.CLAIM_SECONDS", 0.0)
    projections: tuple[AnyProjection, ...] = (order_list.PROJECTION, store_counts.PROJECTION)
    await GrowingStores(servers, TENANTS[:1], random.Random(7)).grow(20)  # noqa: S311 - a test's choice
    async with running_projector(servers, projections=projections):
        await projected(servers, projections=2)
    await ask(read_admin, "order_list", "store_counts")
    async with open_runtime(servers, projections) as runtime:
        await begin(runtime)
        loader = Loader(log_pool=runtime.log_pool, read_pool=runtime.read_pool, catalog=runtime.catalog)
        async with read_admin.transaction():
            await read_admin.execute("LOCK TABLE loading.order_list__v2_b2, loading.store_counts__v1_b2")
            loading = asyncio.create_task(loader.load_one())
            await eventually(partial(read_admin.fetchval, _WAITING_TO_WRITE))
            async with transaction(runtime.read_pool, tenant_id=None) as connection:
                assert not await claims.is_waiting(connection, runtime.catalog)
                assert not await claims.claim(connection, runtime.catalog, new_id())
        assert await loading
    assert not await read_admin.fetchval("SELECT count(*) FROM projection.load")


def test_live_projection_is_given_way_to_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again a moment later, before another live batch may have come, a loader of many small stores goes on so."""
    monkeypatch.setattr("projections.runtime.loading.courtesy._HEARD_SECONDS", 3_600.0)
    courtesy = Courtesy()

    def gives_way(live_revisions: int) -> bool:
        courtesy.note(live_revisions)
        return courtesy.gives_way

    assert [gives_way(heard) for heard in (7, 8, 8)] == [True, True, True]
    monkeypatch.setattr("projections.runtime.loading.courtesy._HEARD_SECONDS", -1.0)
    assert [gives_way(heard) for heard in (8, 9, 9)] == [False, True, False]


def test_a_loader_goes_by_what_was_heard_while_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody had news since: it need not find that out at half speed. It gives way where somebody had, or too soon."""

    def gives_way(heard: int, now: int) -> bool:
        courtesy = Courtesy(Heard(live_revisions=heard, at=time.monotonic()))
        courtesy.note(now)
        return courtesy.gives_way

    monkeypatch.setattr("projections.runtime.loading.courtesy._BEGIN_SECONDS", -1.0)
    assert [gives_way(7, 7), gives_way(7, 8)] == [False, True]
    monkeypatch.setattr("projections.runtime.loading.courtesy._BEGIN_SECONDS", 3_600.0)
    assert gives_way(7, 7)


async def test_whoever_waits_for_news_is_woken_by_them() -> None:
    """By the next ones, long before the time is up; and at its end where there are none."""
    news = News()
    waiting = asyncio.create_task(news.wait(3_600.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    news.note()
    async with asyncio.timeout(60):
        await waiting
    await news.wait(0.001)


async def test_a_loader_that_cannot_be_started_ends_nothing_else(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """The machine has no memory or no process left, or will not have its arguments: what is live goes on beside."""
    projections: tuple[AnyProjection, ...] = (tally(),)
    await filled(servers, projections)
    await ask(read_admin, "tally")
    async with open_runtime(servers, projections) as runtime:
        await begin(runtime)
        refused = LoaderPlan(processes=1, variables={"TOO_LONG": "x" * 3_000_000})
        loading = Loading(
            log_pool=runtime.log_pool,
            read_pool=runtime.read_pool,
            catalog=runtime.catalog,
            plan=refused,
            reach=carry_on,
            news=News(),
        )
        running = asyncio.create_task(loading.run())
        ended, _ = await asyncio.wait({running}, timeout=1.0)
        assert not ended
        running.cancel()
        await asyncio.wait({running}, timeout=5.0)


async def test_a_build_is_seen_by_nobody_before_it_is_protected(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """It lies where only the projector may look, and has every policy once it is a partition."""
    projections: tuple[AnyProjection, ...] = (tally(),)
    await filled(servers, projections)
    await ask(read_admin, "tally")
    async with open_runtime(servers, projections) as runtime:
        await begin(runtime)
        for role in ("shelfwise_read_api", "shelfwise_operator", "shelfwise_write_api"):
            assert not await read_admin.fetchval("SELECT has_schema_privilege($1, 'loading', 'USAGE')", role)
    async with running_projector(servers, projections=projections):
        await done(read_admin)
    protected = await read_admin.fetchrow(
        "SELECT c.relforcerowsecurity AND c.relrowsecurity AS forced, c.relispartition,"
        " (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS indexes,"
        " has_table_privilege('shelfwise_projector', c.oid, 'SELECT') AS is_granted"
        " FROM pg_class c WHERE c.oid = 'read.tally__v1_b2'::regclass"
    )
    assert dict(protected) == {"forced": True, "relispartition": True, "indexes": 2, "is_granted": False}
