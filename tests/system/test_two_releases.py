"""Two releases with different versions of a projection run together, are rolled forward and back, and lose nothing."""

import random
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg
import pytest

from projections.registry import PROJECTIONS
from projections.runtime.lines import line_of
from shared_kernel.identifiers import new_id
from tests.builders.projecting import AnyProjection, assert_identical, projected
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import GrowingStores, worker
from tests.system.other_release import CHANGED
from tests.system.other_release import PROJECTIONS as NEXT_RELEASE

TENANTS = tuple(UUID(int=(number << 120) + shard) for number, shard in ((1, 3), (2, 3), (3, 8)))
_LEASE_SECONDS = 0.6
_NEXT = "tests.system.other_release:PROJECTIONS"
_OLD_VERSION, _NEW_VERSION = (
    next(one.view.version for one in release if one.view.name == CHANGED) for release in (PROJECTIONS, NEXT_RELEASE)
)
_RETIRE = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
VALUES ($1, 'retire', $2, $3, '{}', 'tests')
"""
_LIVE = """
SELECT c.tenant_id, c.position, c.rows FROM read.active_build a
JOIN projection.checkpoint c USING (tenant_id, name, version, build) WHERE (a.name, a.version) = ($1, $2)
"""


@pytest.fixture
async def read_admin(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """A connection that passes every policy."""
    connection = await asyncpg.connect(servers.read_admin_url)
    yield connection
    await connection.close()


class Watch:
    """How far the releases' tables are, as the administrator sees it."""

    def __init__(self, servers: Servers, read_admin: asyncpg.Connection) -> None:
        self._servers = servers
        self._read_admin = read_admin

    async def reached(self, release: Sequence[AnyProjection], *, within_seconds: float = 40) -> None:
        """Wait until every store reads every version of a release, up to its log's head."""
        await eventually(lambda: self._behind(release), lambda left: not left, within_seconds=within_seconds)

    async def shown(self, version: int) -> dict[UUID, int]:
        """Up to where each store is shown in one version of what differs."""
        return {row["tenant_id"]: row["position"] for row in await self._read_admin.fetch(_LIVE, CHANGED, version)}

    async def _behind(self, release: Sequence[AnyProjection]) -> list[str]:
        log_admin = await asyncpg.connect(self._servers.write_admin_url)
        try:
            heads = {row["tenant_id"]: row["position"] for row in await log_admin.fetch("TABLE log.tenant_head")}
        finally:
            await log_admin.close()
        behind = []
        for one in release:
            live = await self._read_admin.fetch(_LIVE, one.view.name, one.view.version)
            positions = {row["tenant_id"]: row["position"] for row in live}
            if any(positions.get(tenant, 0) < head for tenant, head in heads.items()):
                behind.append(one.view.label)
        return behind


async def retired(read_admin: asyncpg.Connection) -> str:
    """What comes of asking for the end of the next release's version."""
    request_id = new_id()
    await read_admin.execute(_RETIRE, request_id, CHANGED, _NEW_VERSION)
    state = "SELECT state FROM projection.request WHERE id = $1"
    ended: str = await eventually(
        lambda: read_admin.fetchval(state, request_id), lambda seen: seen in {"done", "failed"}, within_seconds=60
    )
    return ended


async def test_two_releases_run_together(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """The next version is built beside, and shown once it is current; both go on; back and forth nothing is lost."""
    watch = Watch(servers, read_admin)
    stores = GrowingStores(servers, TENANTS, random.Random(11))  # noqa: S311 - a test's choice
    await stores.grow(40)
    with worker(servers, lease_seconds=_LEASE_SECONDS):
        await projected(servers)
        heads = await watch.shown(_OLD_VERSION)
        assert min(heads.values()) >= 40
        with worker(servers, lease_seconds=_LEASE_SECONDS, projections_from=_NEXT):
            async with stores.growing(1):
                first = await eventually(
                    lambda: watch.shown(_NEW_VERSION), lambda shown: len(shown) == len(TENANTS), within_seconds=60
                )
            assert all(first[tenant] >= heads[tenant] for tenant in TENANTS)
            await stores.grow(5)
            await watch.reached(NEXT_RELEASE)
            await watch.reached(PROJECTIONS)
        await stores.grow(5)
        await watch.reached(PROJECTIONS)
        with worker(servers, lease_seconds=_LEASE_SECONDS, projections_from=_NEXT):
            await watch.reached(NEXT_RELEASE)
            await stores.grow(5)
            await watch.reached(PROJECTIONS)
            await watch.reached(NEXT_RELEASE)
            assert await retired(read_admin) == "failed"
        await assert_identical(servers, PROJECTIONS)
        await assert_identical(servers, NEXT_RELEASE)
        await read_admin.execute(
            "UPDATE projection.release SET seen_at = seen_at - interval '1 hour' WHERE line = $1",
            line_of(NEXT_RELEASE).name,
        )
        assert await retired(read_admin) == "done"
        assert await read_admin.fetchval("SELECT to_regclass($1)", f"read.{CHANGED}__v{_NEW_VERSION}") is None
