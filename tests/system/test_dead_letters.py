"""An operator's way with a poison event, every part a process of its own: worker, command line, servers."""

from pathlib import Path
from uuid import UUID

import asyncpg

from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.command_line import on_servers
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.killing import worker

ONE, TWO = id_of("one"), id_of("two")
_TALLIES = "SELECT channel, copies, last, position FROM read.tally__v1 WHERE tenant_id = $1 ORDER BY channel"


async def tallies(admin: asyncpg.Connection, tenant_id: UUID) -> list[tuple[str, int, str, int]]:
    """A store's rows."""
    return [tuple(row) for row in await admin.fetch(_TALLIES, tenant_id)]


async def test_a_poison_event_blocks_only_its_key_and_heals_in_order(servers: Servers, tmp_path: Path) -> None:
    """Other keys, projections and stores go on; the dead key is seen, tried in vain, and healed once its fold is."""
    for tenant_id, poison in ((ONE, "poison"), (TWO, "b")):
        log = OrderLog(tenant_id)
        for name, channel in (("a", "web"), (poison, "web"), ("c", "pos"), ("d", "web")):
            log.place(name, [line(EMMA)], channel=channel)
        await write_log(servers.write_admin_url, log.events)
    shelfwise = on_servers(servers, tmp_path)
    admin = await asyncpg.connect(servers.read_admin_url)

    async def dead() -> list[str]:
        await admin.execute("UPDATE projection.parked_key SET next_attempt_at = '-infinity' WHERE state = 'retrying'")
        return [row["state"] for row in await admin.fetch("SELECT state FROM projection.parked_key")]

    with worker(servers, "failing", "poison"):
        await eventually(dead, lambda states: states == ["dead"], within_seconds=60)
        await eventually(lambda: tallies(admin, TWO), lambda rows: len(rows) == 2 and rows[1][1] == 3)
        orders = "SELECT count(*) FROM read.order_list__v2"
        await eventually(lambda: admin.fetchval(orders), lambda shown: shown == 8)
        assert await tallies(admin, ONE) == [("pos", 1, "SW-c", 3), ("web", 1, "SW-a", 1)]
        (letter,) = shelfwise.answer("dead-letters", "list")["dead_letters"]
        seen = {name: letter[name] for name in ("projection", "key", "state", "first_position", "waiting", "attempts")}
        assert seen == {
            "projection": "tally", "key": "web", "state": "dead", "first_position": 2, "waiting": 2, "attempts": 5,
        }  # fmt: skip
        shown = shelfwise.answer("dead-letters", "show", letter["id"])
        assert [(one["position"], one["type"]) for one in shown["events"]] == [(2, "OrderPlaced"), (4, "OrderPlaced")]
        assert shown["traceback"][-1].startswith("tests.builders.tally:")
        refused = shelfwise.run("dead-letters", "retry", letter["id"])
        assert refused.code == 1
        assert "it failed again: RuntimeError" in refused.stderr
    with worker(servers, "failing", ""):
        healed = shelfwise.answer("dead-letters", "retry", letter["id"])
        assert (healed["state"], healed["waiting"]) == ("healed", 0)
    assert await tallies(admin, ONE) == [("pos", 1, "SW-c", 3), ("web", 3, "SW-d", 4)]
    again = shelfwise.run("dead-letters", "retry", letter["id"])
    assert again.code == 1
    assert "waits no more: retried by command-line:" in again.stderr
    await admin.close()
