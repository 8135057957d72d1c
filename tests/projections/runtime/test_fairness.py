"""A store with a backlog does not hold up another: what is short is shown before what is long is done."""

import random
from uuid import UUID

import asyncpg

from projections.runtime.turns import EVENTS_TOGETHER
from tests.builders.projecting import projected, running_projector
from tests.builders.tally import tally
from tests.servers import Servers
from tests.system.killing import GrowingStores

LARGE, SMALL = UUID(int=(1 << 120) + 5), UUID(int=(2 << 120) + 5)
"""In one shard, and the large one first by every order there is."""


async def test_a_backlog_is_finished_after_what_is_short(servers: Servers) -> None:
    """The transaction that brought the small store to its head is older than the one that finished the large store."""
    for store, events in ((LARGE, 2 * EVENTS_TOGETHER + 100), (SMALL, 5)):
        await GrowingStores(servers, [store], random.Random(1)).grow(events)  # noqa: S311 - a test's choice
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    admin = await asyncpg.connect(servers.read_admin_url)
    rows = await admin.fetch("SELECT tenant_id, xmin::text::bigint AS moved_in FROM projection.checkpoint")
    await admin.close()
    moved_in = {row["tenant_id"]: row["moved_in"] for row in rows}
    assert moved_in[SMALL] < moved_in[LARGE]
