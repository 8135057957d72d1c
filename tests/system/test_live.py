"""`GET /live` in a running installation: an order is heard of, nothing is lost between two streams, and servers end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.eventually import eventually
from tests.system.house import all_ready, start_read_api
from tests.system.shops import API_PATH, Visitor, order, position

_PATIENCE_SECONDS = 60.0
_END_SECONDS = 10.0
"""Far less than a stream lasts, and time enough for a busy machine."""


class Told:
    """Events of one answer, as they come."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.last_id = ""

    async def event(self, name: str, at: int = 0) -> int:
        """The position that the next event of this name tells, from this one on."""
        while True:  # bounded by the patience for each line
            fields = await self._fields()
            self.last_id = fields.get("id", self.last_id)
            if fields.get("event") == name:
                data = json.loads(fields["data"])
                if name == "end" or data["position"] >= at:
                    return int(data.get("position", 0))

    async def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := await asyncio.wait_for(anext(self._lines), _PATIENCE_SECONDS):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields


@asynccontextmanager
async def _live(shop: Visitor, views: str, *, url: str | None = None, last_id: str = "") -> AsyncIterator[Told]:
    headers = {"Authorization": f"Bearer {shop.key}", **({"Last-Event-ID": last_id} if last_id else {})}
    address = f"{url or shop.house.read_api.url}{API_PATH}/live?views={views}"
    async with shop.client.stream("GET", address, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Told(answer.aiter_lines())


async def test_an_order_is_heard_of_and_nothing_is_lost_between_two_streams(shop: Visitor) -> None:
    """Its position arrives by itself, and a query that asks from there on shows it; what was missed is told first."""
    location_id, edition_id = await shop.shelf()

    async with _live(shop, "orders,kpis") as told:
        await told.event("orders")
        placed = position(await shop.post("/orders", order(location_id, (edition_id, 1))))
        heard = await told.event("orders", placed)
    shown = await shop.get("/orders", at=heard)
    missed = position(await shop.post("/orders", order(location_id, (edition_id, 2))))
    await shop.get("/orders", at=missed)
    async with _live(shop, "orders,kpis", last_id=told.last_id) as again:
        caught_up = await again.event("orders", missed)

    assert len(shown.json()["data"]) == 1
    assert caught_up >= missed


async def test_who_leaves_is_noticed(shop: Visitor) -> None:
    """By the server, which writes nothing meanwhile."""
    await shop.shelf()

    async def streams() -> str:
        metrics = await shop.client.get(f"{shop.house.read_api.url}/metrics")
        return next(line for line in metrics.text.splitlines() if line.startswith("shelfwise_http_streams_open "))

    async with _live(shop, "orders") as told:
        await told.event("orders")
        assert not (await streams()).endswith(" 0.0")
    await eventually(streams, lambda line: line.endswith(" 0.0"))


async def test_a_server_that_is_told_to_end_ends_its_streams(shop: Visitor) -> None:
    """At once, saying so; and it does not wait for anybody."""
    await shop.shelf()
    server = start_read_api(shop.house.servers, shop.house.folder)
    try:
        await all_ready([server])
        async with _live(shop, "orders", url=server.url) as told, _live(shop, "stock", url=server.url) as other:
            await told.event("orders")
            await other.event("stock")
            server.process.terminate()
            await told.event("end")
            await other.event("end")

        async def ended() -> bool:
            return server.process.poll() is not None

        await eventually(ended, within_seconds=_END_SECONDS)
    finally:
        server.end()
