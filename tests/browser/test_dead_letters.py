"""Dead letters in the console: seen with event, row and traceback, retried once mended, skipped with a reason."""

import asyncpg
import pytest

from tests.browser.accessibility import faults_of
from tests.browser.conftest import Site, visiting
from tests.builders.write_api import money
from tests.eventually import eventually

pytestmark = pytest.mark.browser


async def _broken_order(site: Site, admin: asyncpg.Connection, mark: str) -> str:
    """An order whose row cannot be read any more, and a cancellation that therefore cannot be folded."""
    location = (await site.post("/locations", {"name": f"Shop {mark}", "kind": "shop"}, key=f"location-{mark}"))["id"]
    edition = {
        "sku": f"DEAD-{mark}",
        "title": "Persuasion",
        "contributors": [{"name": "Jane Austen", "role": "author"}],
        "format": "paperback",
        "list_price": money(899),
    }
    edition_id = (await site.post("/editions", edition, key=f"edition-{mark}"))["id"]
    stock = {"edition_id": edition_id, "quantity": 10, "unit_cost": money(500)}
    await site.post("/stock/receipts", {"location_id": location, "lines": [stock]}, key=f"receipt-{mark}")
    wanted = {"location_id": location, "channel": "web", "lines": [{"edition_id": edition_id, "quantity": 1}]}
    order_id = str((await site.post("/orders", wanted, key=f"order-{mark}"))["id"])

    async def broken() -> bool:
        done = await admin.execute(
            "UPDATE read.order_detail__v1 SET timeline = '\"broken\"' WHERE order_id = $1::uuid", order_id
        )
        return bool(done == "UPDATE 1")

    await eventually(broken)
    await site.post(f"/orders/{order_id}/cancellation", {"reason": "a test"}, key=f"cancel-{mark}")

    async def dead() -> bool:
        await admin.execute("UPDATE projection.parked_key SET next_attempt_at = '-infinity' WHERE state = 'retrying'")
        return bool(await admin.fetchval("SELECT count(*) FROM projection.parked_key WHERE state = 'dead'"))

    await eventually(dead)
    return order_id


async def _mend(admin: asyncpg.Connection, order_id: str) -> None:
    await admin.execute("UPDATE read.order_detail__v1 SET timeline = '[]' WHERE order_id = $1::uuid", order_id)


async def test_a_dead_letter_is_seen_and_retried_and_another_is_skipped(site: Site) -> None:
    """By an operator who sees what happened; a skip without a reason is refused."""
    admin = await asyncpg.connect(site.servers.read_admin_url)
    try:
        order_id = await _broken_order(site, admin, "one")
        async with visiting(site) as visit:
            await visit.enter()
            page = visit.page
            look = page.get_by_role("button", name="Look at order_detail")
            await look.click()
            await page.get_by_text("OrderCancelled").wait_for()
            assert order_id in str(await page.locator("#letter-line").text_content())
            assert await page.locator("#letter-trace").text_content()
            await visit.picture("dead-letter")
            assert await faults_of(page) == []

            await _mend(admin, order_id)
            await page.get_by_role("button", name="Retry").click()
            await page.locator("#letters").get_by_text("Nothing waits.").wait_for()
            await page.locator("#jobs").get_by_text("Retry order_detail").wait_for()

            order_id = await _broken_order(site, admin, "two")
            await look.click()
            await page.get_by_text("OrderCancelled").wait_for()
            await page.get_by_role("button", name="Skip the event").click()
            await page.get_by_text("Say why the event may be left out").wait_for()
            await _mend(admin, order_id)
            await page.get_by_label("Why").fill("the order is cancelled by hand")
            await page.get_by_role("button", name="Skip the event").click()
            await page.locator("#letters").get_by_text("Nothing waits.").wait_for()
            await page.locator("#audit-table").get_by_text("Skip dead letter").wait_for()
    finally:
        await admin.close()
