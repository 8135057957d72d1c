"""The query API and the projector meet in PostgreSQL and Redis: what one writes, the other reads."""

from uuid import UUID

import msgspec

from read_side.app import Overrides
from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.events.tenants import ApiKeyIssued, StoreOpened
from shared_kernel.identifiers import new_id
from tests.builders.catalogue_events import recorded
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, PERSUASION, OrderLog, line
from tests.builders.projecting import running_projector
from tests.eventually import eventually
from tests.read_side.query_execution.conftest import GENEROUS, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers


async def test_what_the_projector_writes_is_read_from_redis(servers: Servers) -> None:
    """A key, an order and its list, each from the log to an answer, and an order that is waited for."""
    tenant_id, key = new_id(), new_api_key()
    log = OrderLog(tenant_id)
    log.place("first", [line(EMMA), line(PERSUASION, 2)])
    log.place("second", [line(EMMA)])
    opening = _opening(tenant_id, hash_api_key(key, servers.secret_key))
    orders = _after(opening, log.events)
    await write_log(servers.write_admin_url, [*opening, orders[0]])

    async with (
        running_projector(servers),
        running_api(servers, Shelf(servers), Overrides(limits=GENEROUS)) as api,
    ):
        await eventually(lambda: api.get("/store", key), lambda answer: answer.status_code == 200)
        await api.reaches_redis(key, "/store")
        first = f"/orders/{orders[0].stream_id}"
        detail = await eventually(
            lambda: api.get(first, key, ShelfWise_Min_Position=3, Prefer="wait=5"),
            lambda answer: answer.status_code == 200 and answer.json()["meta"]["source"] == "cache",
        )
        listed = await eventually(
            lambda: api.get("/orders", key), lambda answer: answer.json()["meta"]["source"] == "cache"
        )
        await write_log(servers.write_admin_url, [orders[1]])
        waited = await api.get("/orders", key, ShelfWise_Min_Position=4, Prefer="wait=10")

    assert detail.json()["data"]["id"] == f"{orders[0].stream_id}"
    assert detail.json()["meta"]["position"] == 3
    assert [order["id"] for order in listed.json()["data"]] == [f"{orders[0].stream_id}"]
    assert {order["id"] for order in waited.json()["data"]} == {f"{order.stream_id}" for order in orders}
    assert waited.json()["meta"]["position"] == 4
    assert waited.json()["meta"]["exact_count"] == 2


def _opening(tenant_id: UUID, key_hash: str) -> list[Recorded[Event]]:
    """A store and its owner's key."""
    store = StoreOpened(
        name="A store",
        slug="a-store",
        currency="GBP",
        timezone="Europe/London",
        prices_include_tax=True,
        tax_rates={"zero": 0},
        allowed_origins=(),
    )
    key_id = new_id()
    issued = ApiKeyIssued(
        key_id=key_id, principal_id=new_id(), name="owner", role="owner", key_hash=key_hash, expires_at=None
    )
    return [
        recorded(store, position=1, tenant_id=tenant_id, stream_id=tenant_id, event_id=new_id()),
        recorded(issued, position=2, tenant_id=tenant_id, stream_id=key_id, event_id=new_id()),
    ]


def _after(opening: list[Recorded[Event]], events: list[Recorded[Event]]) -> list[Recorded[Event]]:
    """The same events, further on in the log."""
    start = len(opening) + 1
    return [msgspec.structs.replace(event, position=position) for position, event in enumerate(events, start=start)]
