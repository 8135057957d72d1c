"""A store that has had one of everything, and what each of it cost in round trips."""

import asyncio
from functools import partial
from typing import Any, Final
from uuid import UUID

import httpx

from tests.builders.paying import paid_store
from tests.builders.sandbox import VISA, event, open_sandbox, signed
from tests.builders.write_api import WriteApi, made, money, order, receipt
from tests.eventually import eventually
from tests.round_trips import ROUND_TRIPS


class Filled:
    """A store that has had one of everything, and what each command cost."""

    def __init__(self) -> None:
        self.costs: dict[str, tuple[int, int]] = {}
        self.ids: dict[str, str] = {}


async def measured(request: Any) -> tuple[httpx.Response, tuple[int, int]]:  # noqa: ANN401 - sends it
    """The answer, and how often PostgreSQL and Redis were asked for it."""
    ROUND_TRIPS.begin()
    answer = await request()
    counted = ROUND_TRIPS.of_requests()
    return answer, counted[0].count if counted else (0, 0)


async def fill(api: WriteApi) -> Filled:
    """Do everything once."""
    filled = Filled()

    async def send(
        name: str, method: str, path: str, body: object, *, status: int = 201, headers: dict[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        await api.post("/locations", {})  # the key is known for some seconds
        answer, filled.costs[name] = await measured(partial(api.send, method, path, body, headers=headers))
        return made(answer, status=status)

    shop = (await send("open_location", "POST", "/locations", {"name": "Shop", "kind": "shop"}))["id"]
    barn = (await send("open_location", "POST", "/locations", {"name": "Barn", "kind": "warehouse"}))["id"]
    emma, sanditon, gone = [
        (await send("create_edition", "POST", "/editions", _EDITION | {"sku": f"S{number}"}))["id"]
        for number in range(3)
    ]
    revised, repriced = {"title": "Emma, revised"}, {"list_price": money(999)}
    await send("revise_edition", "PATCH", f"/editions/{emma}", revised, status=200, headers={"If-Match": '"1"'})
    await send("price_edition", "PUT", f"/editions/{emma}/price", repriced, status=200, headers={"If-Match": '"2"'})
    await send("discontinue_edition", "POST", f"/editions/{gone}/discontinuation", {"reason": "gone"}, status=200)
    await send("receive_stock", "POST", "/stock/receipts", receipt(shop, emma, 50))
    await send("receive_stock", "POST", "/stock/receipts", receipt(shop, sanditon, 50))
    place = {"location_id": shop, "edition_id": emma}
    await send("adjust_stock", "POST", "/stock/adjustments", {**place, "delta": -1, "reason": "water"})
    await send("count_stock", "POST", "/stock/counts", {**place, "counted": 48})
    moved = {
        "from_location_id": shop,
        "to_location_id": barn,
        "lines": [{"edition_id": emma, "quantity": 5}, {"edition_id": sanditon, "quantity": 5}],
    }
    await send("transfer_stock", "POST", "/stock/transfers", moved)
    hold = await send("place_hold", "POST", "/holds", {**place, "quantity": 1})
    await send("cancel_hold", "POST", f"/holds/{hold['id']}/cancellation", {}, status=200)
    await send("place_special_order", "POST", "/special-orders", {**place, "quantity": 1})
    lines = ((emma, 2), (sanditon, 1))
    first, second = [await send("place_order", "POST", "/orders", order(shop, *lines)) for _ in range(2)]
    await send("fulfil_order", "POST", f"/orders/{first['id']}/fulfilments", {})
    back = {"lines": [{"line_id": line["line_id"], "quantity": 1} for line in first["lines"]]}
    await send("return_from_order", "POST", f"/orders/{first['id']}/returns", back)
    await send("cancel_order", "POST", f"/orders/{second['id']}/cancellation", {"reason": "changed"}, status=200)
    unpaid = {"edition_id": emma, "quantity": 1, "unit_price": money(500)}
    await send("return_goods", "POST", "/returns", {"location_id": shop, "channel": "pos", "lines": [unpaid]})
    known = await _keep_in_touch(send)
    filled.costs |= await _move_money(api, (UUID(shop), UUID(emma)))
    asked = await send("request_snapshot", "POST", "/snapshots", {"views": ["store_counts"], "as_of": 1}, status=202)
    filled.ids = {"edition_id": emma, "order_id": first["id"], "customer_id": known, "snapshot_id": asked["id"]}
    return filled


async def _move_money(api: WriteApi, shelf: tuple[UUID, UUID]) -> dict[str, tuple[int, int]]:
    """What a capture and a refund cost, and a callback."""
    costs: dict[str, tuple[int, int]] = {}
    async with open_sandbox() as sandbox, paid_store(api.write_side, sandbox, shelf) as store:
        placed = made(await api.post("/orders", order(shelf[0], (shelf[1], 1)) | {"payment_token": VISA}))
        await store.settle_down()
        for name, path in (("capture_payment", "capture"), ("refund_payment", "refunds")):
            send = partial(api.post, f"/payments/{placed['payment_id']}/{path}", {}, key=name)
            # How often a client's first request looks is a matter of time: this one leaves before anybody was asked,
            # and the same request, sent again, finds the plan and what came of it at the first look.
            leaving = asyncio.create_task(send())
            await eventually(lambda: _planned(api), bool, within_seconds=60)
            leaving.cancel()
            await asyncio.wait({leaving})
            await store.settle_down()
            await api.post("/locations", {})  # the key is known for some seconds
            answer, costs[name] = await measured(send)
            made(answer, status=200)
    marks = {"shelfwise_tenant": str(api.write_side.tenant.id), "shelfwise_payment": placed["payment_id"]}
    body = event(marks=marks)
    fields = {**signed(body), "Content-Type": "application/json"}
    tell = partial(api.client.post, "/api/v1/provider-callbacks/payments", content=body, headers=fields)
    answer, costs["receive_callback"] = await measured(tell)
    assert answer.status_code == 200, answer.text
    return costs


async def _planned(api: WriteApi) -> int:
    rows = await api.write_side.as_administrator(
        "SELECT count(*) AS count FROM write.payment_operation WHERE status = 'intended'"
    )
    return int(rows[0]["count"])


async def _keep_in_touch(send: Any) -> str:  # noqa: ANN401 - of the store being filled
    """Webhooks, customers, a batch; the id of a customer."""
    hook = await send("create_webhook", "POST", "/webhooks", {"url": "https://example.com/hook"})
    at = f"/webhooks/{hook['id']}"
    await send("show_webhook_secret", "POST", f"{at}/secret", {}, status=200)
    await send("rotate_webhook_secret", "POST", f"{at}/secret-rotation", {}, status=200)
    await send("disable_webhook", "POST", f"{at}/disablement", {}, status=200)
    await send("enable_webhook", "POST", f"{at}/enablement", {}, status=200)
    await send("replay_deliveries", "POST", f"{at}/replays", {"from_position": 1}, status=200)
    await send("delete_webhook", "DELETE", at, None, status=200)
    known = (await send("register_customer", "POST", "/customers", {"name": "Miss Bates"}))["id"]
    customer = f"/customers/{known}"
    await send("revise_customer", "PATCH", customer, {"name": "Jane Fairfax"}, status=200, headers={"If-Match": '"1"'})
    gone = (await send("register_customer", "POST", "/customers", {"name": "Mr. Knightley"}))["id"]
    await send("erase_customer", "POST", f"/customers/{gone}/erasure", {}, status=200)
    item = {"command": "open_location", "payload": {"name": "Kiosk", "kind": "shop"}}
    items = [{**item, "idempotency_key": f"kiosk {number}"} for number in range(2)]
    await send("run_batch", "POST", "/batch", {"items": items}, status=200)
    return str(known)


_EDITION: Final[dict[str, object]] = {
    "title": "Emma",
    "contributors": [{"name": "Jane Austen", "role": "author"}],
    "format": "paperback",
    "list_price": money(899),
}
