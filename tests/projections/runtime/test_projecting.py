"""The runtime on real servers: what is in the log comes to stand in the tables."""

import asyncpg

from projections.registry import PROJECTIONS
from tests.builders.order_log import EMMA, PERSUASION, OrderLog, id_of, line
from tests.builders.log_rows import write_log
from tests.eventually import eventually
from tests.projections.runtime.conftest import running_projector
from tests.servers import Servers


async def positions(admin: asyncpg.Connection) -> set[int]:
    """The checkpoints of all projections."""
    return {row["position"] for row in await admin.fetch("SELECT position FROM projection.checkpoint")}


async def test_every_projection_reaches_the_head_of_every_tenant(
    servers: Servers, read_admin: asyncpg.Connection
) -> None:
    """Two stores' orders are listed, each under its own tenant."""
    for store in ("one", "two"):
        log = OrderLog(id_of(store))
        log.place("first", [line(EMMA), line(PERSUASION, 2)])
        log.place("second", [line(EMMA)])
        await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers):
        await eventually(
            lambda: read_admin.fetch("SELECT * FROM projection.checkpoint WHERE position = 2"),
            lambda rows: len(rows) == 2 * len(PROJECTIONS),
        )
    listed = await read_admin.fetch("SELECT tenant_id, count(*) AS orders FROM read.order_list__v1 GROUP BY 1")
    assert {row["tenant_id"]: row["orders"] for row in listed} == {id_of("one"): 2, id_of("two"): 2}
