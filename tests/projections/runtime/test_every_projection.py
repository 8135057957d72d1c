"""One shape of test for every projection there is: given events, then rows, however they came there."""

import asyncpg
import msgspec
from hypothesis import find
from hypothesis import settings as hypothesis_settings

from projections.registry import PROJECTIONS
from shared_kernel.identifiers import new_id
from tests.builders.catalogue_events import edition_created, edition_priced, log_of, stock_received
from tests.builders.log_rows import write_log
from tests.builders.order_log import id_of
from tests.builders.order_streams import order_logs
from tests.builders.projecting import assert_identical, dump_read_database, projected, running_projector
from tests.eventually import eventually
from tests.servers import Servers

_REBUILD_ALL = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
VALUES ($1, 'rebuild', $2, $3, '{}', 'test')
"""


async def write_logs(servers: Servers) -> None:
    """A store with a dozen orders, and one with a catalogue."""
    busy = find(order_logs(), lambda log: len(log.events) >= 8, settings=hypothesis_settings(database=None))
    store = id_of("busy")
    await write_log(servers.write_admin_url, [msgspec.structs.replace(one, tenant_id=store) for one in busy.events])
    await write_log(
        servers.write_admin_url, log_of(edition_created(), edition_priced(900), stock_received(), edition_priced(800))
    )


def rows_of(dump: dict[str, list[str]]) -> dict[str, list[str]]:
    """The rows of views, without the builds they are in."""
    views = {name: rows for name, rows in dump.items() if "__v" in name}
    return {name: sorted(",".join(_without_build(row)) for row in rows) for name, rows in views.items()}


def _without_build(row: str) -> list[str]:
    tenant, _build, *rest = row.split(",")
    return [tenant, *rest]


async def test_rebuilding_is_what_live_projecting_was(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Once, again, and rebuilt, every projection's table holds the same rows, and verifying says so."""
    await write_logs(servers)
    async with running_projector(servers):
        await projected(servers)
        live = await dump_read_database(servers)
        assert rows_of(live)["read.order_list__v2"]
        assert rows_of(live)["read.edition_catalogue__v1"]
    async with running_projector(servers):
        await projected(servers)
        assert await dump_read_database(servers) == live
        for one in PROJECTIONS:
            await read_admin.execute(_REBUILD_ALL, new_id(), one.view.name, one.view.version)
        await eventually(
            lambda: read_admin.fetch("SELECT DISTINCT build FROM read.active_build"),
            lambda builds: [row["build"] for row in builds] == [2],
            within_seconds=60,
        )
        await eventually(
            lambda: read_admin.fetchval("SELECT count(*) FROM projection.build"),
            lambda left: left == len(PROJECTIONS),
            within_seconds=60,
        )
        assert rows_of(await dump_read_database(servers)) == rows_of(live)
    await assert_identical(servers)
