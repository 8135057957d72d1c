"""How things stood: views frozen at a position, beside a store that goes on selling; all in processes of their own."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx

from tests.command_line import on_servers
from tests.eventually import eventually
from tests.system.house import House
from tests.system.shops import Visitor, good, open_shop, order, position


async def frozen(shop: Visitor, views: list[str], as_of: int | str) -> dict[str, object]:
    """A snapshot, once it is ready."""
    asked = await shop.post("/snapshots", {"views": views, "as_of": as_of})
    assert asked.status_code == 202, asked.text
    path = asked.headers["Location"].removeprefix("/api/v1")
    ready = await eventually(
        lambda: shop.get(path), lambda answer: answer.is_success and answer.json()["data"]["state"] == "ready"
    )
    found: dict[str, object] = good(ready)
    return found


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def test_views_are_read_as_of_a_position(house: House, shop: Visitor, tmp_path: Path) -> None:
    """Orders, one order, figures and counts as they were; unknown, unasked and expired snapshots say what to do."""
    location, edition = await shop.shelf()
    first = await shop.post("/orders", order(location, (edition, 1)))
    order_id, then = good(first)["id"], position(first)
    second = await shop.post("/orders", order(location, (edition, 2)))
    good(await shop.post(f"/orders/{order_id}/cancellation", {"reason": "a test"}))
    assert problem(await shop.get(f"/orders?as_of={then}")) == (404, "snapshot_unknown")
    assert problem(await shop.get(f"/orders?as%5Fof={then}")) == (404, "snapshot_unknown")

    snapshot = await frozen(shop, ["order_list", "order_detail", "kpis", "store_counts"], then)
    assert (snapshot["position"], snapshot["progress"]) == (then, 1.0)
    listed = await shop.get(f"/orders?as_of={then}")
    assert [(one["id"], one["status"]) for one in good(listed)] == [(order_id, "placed")]
    meta = listed.json()["meta"]
    assert (meta["position"], meta["projection"], meta["source"]) == (then, "order_list@2", "table")
    assert meta["lag_events"] > 0
    assert good(await shop.get(f"/orders/{order_id}?as_of={then}"))["status"] == "placed"
    assert (await shop.get(f"/orders/{good(second)['id']}?as_of={then}")).status_code == 404
    assert good(await shop.get(f"/kpis?period=7d&as_of={then}"))["orders"]["current"] == 1

    live = await shop.get("/orders", at=position(second))
    assert len(good(live)) == 2
    assert live.headers["ETag"] != listed.headers["ETag"]
    again = await shop.get(f"/orders?as_of={then}", headers={"If-None-Match": listed.headers["ETag"]})
    assert again.status_code == 304
    assert problem(await shop.get(f"/orders?as_of={then}", at=then + 1)) == (422, "as_of_too_early")
    assert problem(await shop.get("/orders?as_of=yesterday")) == (422, "invalid")
    assert problem(await shop.get(f"/store?as_of={then}"))[0] == 422
    verified = on_servers(house.servers, tmp_path).answer(
        "projections", "verify", "order_list", "--tenant", shop.tenant.slug
    )
    assert (verified["identical"], verified["rows"]) == (True, 3)

    admin = await asyncpg.connect(house.servers.read_admin_url)
    await admin.execute("UPDATE projection.frozen_build SET expires_at = now() WHERE tenant_id = $1", shop.tenant.id)
    assert problem(await shop.get(f"/orders?as_of={then}")) == (404, "snapshot_unknown")
    assert problem(await shop.get(f"/orders?as%5Fof={then}")) == (404, "snapshot_unknown")
    frozen_rows = "SELECT count(*) FROM projection.checkpoint WHERE tenant_id = $1 AND mode = 'frozen'"
    await admin.execute("UPDATE read.snapshots__v1 SET expires_at = now() WHERE tenant_id = $1", shop.tenant.id)
    await eventually(lambda: admin.fetchval(frozen_rows, shop.tenant.id), lambda left: left == 0)
    await admin.close()


async def test_a_moment_is_the_position_it_was(house: House, shop: Visitor) -> None:
    """Asked for by time, read by that time or by the position; another store has no part in it."""
    location, edition = await shop.shelf()
    placed = await shop.post("/orders", order(location, (edition, 1)))
    admin = await asyncpg.connect(house.servers.write_admin_url)
    recorded = await admin.fetchval(
        "SELECT recorded_at FROM log.event WHERE tenant_id = $1 AND position = $2", shop.tenant.id, position(placed)
    )
    await admin.close()
    good(await shop.post("/orders", order(location, (edition, 1))))
    moment = f"{recorded:%FT%T.%fZ}"
    snapshot = await frozen(shop, ["order_list"], moment)
    assert snapshot["position"] == position(placed)
    for as_of in (moment, snapshot["position"]):
        assert len(good(await shop.get(f"/orders?as_of={as_of}"))) == 1
    async with open_shop(house) as other:
        assert problem(await other.get(f"/orders?as_of={moment}")) == (404, "snapshot_unknown")
        refused = await other.post("/snapshots", {"views": ["order_list"], "as_of": 10_000})
        assert problem(refused) == (422, "invalid_snapshot")
        later = {"views": ["order_list"], "as_of": f"{recorded + timedelta(days=1):%FT%TZ}"}
        assert (await other.post("/snapshots", later)).json()["errors"][0]["code"] == "in_the_future"
        assert problem(await other.post("/snapshots", {"views": ["principal"], "as_of": 1})) == (422, "invalid")
