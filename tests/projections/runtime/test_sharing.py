"""Projectors share the shards, and whoever leaves or dies hands over."""

import asyncpg

from shared_kernel.log.partitions import SHARDS
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers


async def shares(admin: asyncpg.Connection) -> list[int]:
    """How many shards each worker holds."""
    rows = await admin.fetch(
        "SELECT count(*) AS shards FROM projection.lease WHERE owner IS NOT NULL GROUP BY owner ORDER BY 1"
    )
    return [row["shards"] for row in rows]


async def test_two_projectors_share_and_hand_over(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """One has all, two have half each, and the one that stays has all again; every store is projected throughout."""
    logs = [OrderLog(id_of(f"store {number}")) for number in range(6)]

    async def sell(name: str) -> None:
        for log in logs:
            log.place(name, [line(EMMA)])
            await write_log(servers.write_admin_url, log.events[-1:])

    async with running_projector(servers, projections=(tally(),)):
        await eventually(lambda: shares(read_admin), lambda seen: seen == [SHARDS])
        await sell("first")
        await projected(servers, projections=1)
        async with running_projector(servers, projections=(tally(),)):
            await eventually(lambda: shares(read_admin), lambda seen: seen == [SHARDS // 2, SHARDS // 2])
            await sell("second")
            await projected(servers, projections=1)
        await eventually(lambda: shares(read_admin), lambda seen: seen == [SHARDS])
        await sell("third")
        await projected(servers, projections=1)
    assert await read_admin.fetchval("SELECT sum(crashes) FROM projection.lease") == 0
    assert await shares(read_admin) == []
    await assert_identical(servers, (tally(),))
