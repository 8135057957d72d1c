"""An order's timeline, read from a real table under the read API's own policies."""

import msgspec

from projections.order_detail import PROJECTION
from read_side.order_detail.queries import TimelineQuery, fetch_timeline
from read_side.order_detail.view import VIEW, TimelineEntry
from shared_kernel.views import encode_key
from tests.builders.order_log import EMMA, NOON, TENANT, OrderLog, id_of, line
from tests.builders.read_tables import fill_tables, open_snapshot
from tests.servers import Servers


async def test_the_timeline_is_the_order_s_own(servers: Servers) -> None:
    """Oldest first, as the contract spells it."""
    log = OrderLog()
    log.fulfil(log.place("A", [line(EMMA)]))
    log.place("B", [line(EMMA)])
    await fill_tables(servers, [PROJECTION], [log.events])
    async with open_snapshot(servers, VIEW, TENANT) as snapshot:
        answer = await fetch_timeline(snapshot, TimelineQuery(order_id=id_of("A")))
    assert answer is not None
    assert msgspec.json.decode(answer.data, type=list[TimelineEntry]) == [
        TimelineEntry(position=1, type="OrderPlaced", at=NOON, actor="till"),
        TimelineEntry(position=2, type="OrderFulfilled", at=NOON, actor="till"),
    ]
    assert answer.data.startswith(b'[{"position":1,"type":"OrderPlaced","at":"2009-12-01T12:30:00Z"')
    assert answer.row_keys == (encode_key((id_of("A"),)),)


async def test_another_store_s_order_does_not_exist(servers: Servers) -> None:
    """Exactly like one that nobody placed."""
    log = OrderLog()
    log.place("A", [line(EMMA)])
    await fill_tables(servers, [PROJECTION], [log.events])
    async with open_snapshot(servers, VIEW, id_of("other")) as snapshot:
        assert await fetch_timeline(snapshot, TimelineQuery(order_id=id_of("A"))) is None
