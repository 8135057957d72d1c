"""A rebuild whose projector is killed again and again, while stores go on selling, ends as if nothing had been."""

import asyncio
import gc
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from uuid import UUID

import asyncpg
import pytest

from shared_kernel.identifiers import new_id
from tests.builders.projecting import assert_identical, projected
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores, worker

TENANTS = tuple(UUID(int=(number << 120) + shard) for number, shard in ((1, 3), (2, 3), (3, 8)))
_REBUILT = ("order_list", "best_sellers")
_KILLS = 3
_LARGEST_SHARE = 0.2
_CAMPAIGN_SECONDS = 1_800.0
"""Twice what a machine takes that has other things to do."""
_SEED_VARIABLE = "SHELFWISE_REBUILD_SEED"
_LEASE_SECONDS = 0.4
_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
VALUES ($1, 'rebuild', $2, (SELECT max(version) FROM projection.build WHERE name = $2), '{}', 'campaign')
"""
_LEFT = "SELECT count(*) FROM projection.request WHERE state <> 'done'"
_BEGUN = "SELECT bool_and(state <> 'requested') FROM projection.request"
_LOADED = "SELECT min(events) FROM projection.request"
_HOLD = "SELECT FROM read.active_build WHERE name = ANY($1) FOR UPDATE"


@asynccontextmanager
async def _admin(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(servers.read_admin_url)
    try:
        yield connection
    finally:
        await connection.close()


def _say_nothing(_line: str) -> None:
    pass


async def rebuild_under_fire(
    servers: Servers,
    *,
    events: int,
    seed: int,
    kills: Sequence[float],
    within_seconds: float,
    tell: Callable[[str], None] = _say_nothing,
) -> int:
    """Project, ask for rebuilds, and kill the projector and its loaders again and again.

    Args:
        servers: fresh ones.
        events: so many are there before the rebuilds begin.
        seed: of what is ordered.
        kills: each after so many more events, as a share of all, were loaded; none of them: before any cut-over.
        within_seconds: for each stretch.
        tell: hears how far it is.

    Returns:
        How often the rebuilds were not done yet.
    """
    stores = GrowingStores(servers, TENANTS, random.Random(seed))  # noqa: S311 - repeatable on purpose
    await stores.grow(events // len(TENANTS))
    tell(f"{events:,} events are written")
    with worker(servers, lease_seconds=_LEASE_SECONDS):
        await projected(servers, within_seconds=within_seconds)
    tell("they are projected")
    interrupted = 0
    async with _admin(servers) as admin, stores.growing(1):
        for name in _REBUILT:
            await admin.execute(_REQUEST, new_id(), name)
        for number, share in enumerate(kills, 1):
            async with nullcontext() if share else _none_cut_over(admin):
                with worker(servers, lease_seconds=_LEASE_SECONDS, rebuild_processes=2):
                    await _loaded(admin, more=round(share * events), within_seconds=within_seconds)
            left = await admin.fetchval(_LEFT)
            interrupted += left > 0
            tell(f"kill {number}: {await admin.fetchval(_LOADED):,} events loaded, {left} rebuilds not done")
        with worker(servers, lease_seconds=_LEASE_SECONDS, rebuild_processes=2):
            await eventually(lambda: admin.fetchval(_LEFT), lambda left: left == 0, within_seconds=within_seconds)
    tell("both rebuilds are done")
    with worker(servers, lease_seconds=_LEASE_SECONDS):
        await projected(servers, within_seconds=within_seconds)
        tell("every view has what was written meanwhile; comparing all rows with the log")
        with _uncollected():
            await assert_identical(servers)
    return interrupted


@asynccontextmanager
async def _none_cut_over(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """No store can be, however long this process is kept from looking."""
    async with admin.transaction():
        await admin.execute(_HOLD, list(_REBUILT))
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """Rows hold no cycles, and to look for some in hundreds of thousands again and again takes most of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _loaded(admin: asyncpg.Connection, *, more: int, within_seconds: float) -> None:
    """Wait until the rebuilds are under way, and so many more events were loaded, or all of them."""
    await eventually(lambda: admin.fetchval(_BEGUN), bool, within_seconds=within_seconds)
    before = await admin.fetchval(_LOADED)

    async def look() -> bool:
        loaded, left = await admin.fetchval(_LOADED), await admin.fetchval(_LEFT)
        return bool(loaded - before >= more or left == 0)

    if more:
        await eventually(look, within_seconds=within_seconds)


async def test_a_rebuild_that_is_killed_ends_identical(servers: Servers) -> None:
    """Every row of every view, in PostgreSQL and Redis, under continuous writes."""
    # The first before any store is cut over, so that one kill at least is in the middle.
    interrupted = await rebuild_under_fire(servers, events=5_000, seed=1, kills=(0.0, 0.01), within_seconds=120)
    assert interrupted > 0
    async with _admin(servers) as admin:
        builds = await admin.fetch("SELECT DISTINCT build FROM read.active_build WHERE name = ANY($1)", list(_REBUILT))
        assert [row["build"] for row in builds] == [2]
        assert await admin.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'loading'") == 0


@pytest.mark.rebuild_campaign
async def test_two_hundred_thousand_events_killed_three_times(
    servers: Servers, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same with 200,000 events, after numbers of events chosen by a seed that is told."""
    seed = int(os.environ.get(_SEED_VARIABLE, "1"))
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    begun = time.monotonic()

    def tell(line: str) -> None:
        with capfd.disabled():
            sys.stdout.write(f"\n{time.monotonic() - begun:6.1f} s  {line}")
            sys.stdout.flush()

    # Together less than all of the events, so that every kill finds rebuilds that are not done.
    kills = [rng.uniform(0.01, _LARGEST_SHARE) for _ in range(_KILLS)]
    tell(f"seed {seed}, within {_CAMPAIGN_SECONDS:,.0f} s")
    async with asyncio.timeout(_CAMPAIGN_SECONDS):
        interrupted = await rebuild_under_fire(
            servers, events=200_000, seed=seed, kills=kills, within_seconds=_CAMPAIGN_SECONDS, tell=tell
        )
    tell("identical")
    assert interrupted == _KILLS, seed
