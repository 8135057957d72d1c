"""Sagas that need a person, rows explained, and keys handed out and ended: by clicking."""

import re
from functools import partial

import asyncpg
import httpx
import pytest

from tests.browser.accessibility import faults_of
from tests.browser.conftest import Scheme, Site, visiting
from tests.builders.write_api import money
from tests.eventually import eventually

pytestmark = pytest.mark.browser
_STUCK = """
UPDATE write.order_saga SET state = 'needs_attention', failure = 'refund refused: the charge is disputed'
WHERE order_id = $1
"""
_IS_PAID = "SELECT status = 'confirmed' FROM write.sales_order WHERE order_id = $1"


async def _paid_order(site: Site, mark: str) -> str:
    """An order that is paid first; its id."""
    location = (await site.post("/locations", {"name": f"Shop {mark}", "kind": "shop"}, key=f"location-{mark}"))["id"]
    edition = {
        "sku": f"PAID-{mark}",
        "title": "Emma",
        "contributors": [{"name": "Jane Austen", "role": "author"}],
        "format": "paperback",
        "list_price": money(899),
    }
    edition_id = (await site.post("/editions", edition, key=f"edition-{mark}"))["id"]
    stock = {"edition_id": edition_id, "quantity": 10, "unit_cost": money(500)}
    await site.post("/stock/receipts", {"location_id": location, "lines": [stock]}, key=f"receipt-{mark}")
    lines = [{"edition_id": edition_id, "quantity": 1}]
    wanted = {"location_id": location, "channel": "web", "lines": lines, "payment_token": "pm_card_visa"}
    return str((await site.post("/orders", wanted, key=f"order-{mark}"))["id"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_saga_that_needs_a_person_is_retried_and_another_resolved(site: Site, scheme: Scheme) -> None:
    """With what went wrong and what was asked of the provider before one's eyes; nothing without a reason."""
    admin = await asyncpg.connect(site.servers.write_admin_url)
    try:
        orders = [await _paid_order(site, f"{scheme}-{mark}") for mark in ("one", "two")]
        for order_id in orders:
            await eventually(partial(admin.fetchval, _IS_PAID, order_id), within_seconds=60)
            await admin.execute(_STUCK, order_id)
        async with visiting(site, scheme=scheme) as visit:
            await visit.enter()
            page = visit.page
            looks = page.get_by_role("button", name=re.compile("^Look at order"))
            await looks.nth(1).wait_for()
            await visit.picture(f"sagas-{scheme}", whole=True)
            await looks.first.click()
            await page.locator("#saga").get_by_text("Authorize", exact=True).first.wait_for()
            await visit.picture(f"saga-{scheme}")
            assert await faults_of(page) == []
            await page.get_by_role("button", name="Retry").click()
            await page.get_by_text("Say why, or what was settled.").wait_for()
            await page.get_by_label("Reason, or what was settled").fill("the provider is back")
            await page.get_by_role("button", name="Retry").click()
            await page.locator("#saga").wait_for(state="hidden")
            await eventually(looks.count, lambda left: left == 1, within_seconds=60)
            await looks.first.click()
            await page.get_by_label("Reason, or what was settled").fill("refunded by hand, agreed with the buyer")
            await page.get_by_role("button", name="Resolve by hand").click()
            await page.get_by_text("None needs a person.").wait_for()
            await page.locator("#audit-table").get_by_text("Resolve saga").first.wait_for()
            await page.get_by_label("Which sagas").select_option("resolved")
            await page.locator("#sagas-table").get_by_text("Resolved").first.wait_for()
    finally:
        await admin.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_row_is_explained_by_the_events_behind_it(site: Site, scheme: Scheme) -> None:
    """What each changed, by keyboard alone; and what is missing is said beside the field that lacks it."""
    order_id = await _paid_order(site, f"explained-{scheme}")
    async with visiting(site, scheme=scheme) as visit:
        await visit.enter()
        page = visit.page
        await page.locator("#explain-projection").select_option("order_list")
        await page.get_by_role("button", name="Explain").click()
        await page.get_by_text("Say which store and which row.").wait_for()
        await page.keyboard.type("corner-books")
        await page.keyboard.press("Tab")
        await page.keyboard.type(order_id)
        await page.keyboard.press("Enter")
        await page.locator("#explained").get_by_text("OrderPlaced").wait_for()
        assert await page.get_by_text("The row that stands is the one they make.").count() == 1
        assert await page.evaluate("document.activeElement.id") == "explained"
        assert order_id in str(await page.locator("#explain-row").text_content())
        await visit.picture(f"explained-{scheme}")
        assert await faults_of(page) == []
        await page.get_by_label("Row", exact=True).fill("no such key")
        await page.keyboard.press("Enter")
        await page.locator("#explain-error:not(:empty)").wait_for()
        assert await page.locator("#explained").is_hidden()
        assert len(visit.faults) == 1
        visit.faults.clear()  # a browser calls every refusal an error


async def test_a_key_is_made_shown_once_and_ended(site: Site) -> None:
    """It opens the API until it is ended; once its dialog is closed the page does not know it any more."""
    async with visiting(site) as visit:
        await visit.enter()
        page = visit.page
        await page.get_by_role("button", name="New key").click()
        await page.get_by_role("button", name="Make the key").click()
        await page.get_by_text("Say which store the key is for.").wait_for()
        await page.get_by_label("Store", exact=True).last.fill("corner-books")
        await page.get_by_label("Name (who or what uses it)").fill("the till at the door")
        await page.get_by_label("Days until it expires (optional)").fill("30")
        await page.get_by_role("button", name="Make the key").click()
        shown = page.get_by_label("The key, which nobody can show again")
        await shown.wait_for()
        key = await shown.input_value()
        await visit.picture("made-key")
        assert await faults_of(page) == []
        assert await _status(site, key) == 200
        await page.keyboard.press("Escape")
        assert key not in str(await page.content())
        assert await shown.input_value() == ""
        await page.get_by_label("Filter keys by name, store or role").fill("till")
        await visit.picture("keys", whole=True)
        await page.get_by_role("button", name="End key the till at the door").click()
        await visit.picture("end-key")
        assert await faults_of(page) == []
        await page.get_by_role("button", name="End the key").click()
        await page.get_by_text("No key matches.").wait_for()

        async def refused() -> bool:
            return await _status(site, key) == 401

        await eventually(refused, within_seconds=60)
        await page.get_by_label("Ended too").check()
        await page.locator("#keys-table").get_by_text("Ended").wait_for()


async def _status(site: Site, key: str) -> int:
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{site.url}/api/v1/store", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code
