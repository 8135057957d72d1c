"""The console, clicked through: the door, live lag, a rebuild, a verification, and what is heard and seen of them."""

import re
from itertools import count

import asyncpg
import pytest

from tests.browser.accessibility import faults_of
from tests.browser.conftest import Scheme, Site, visiting
from tests.builders.write_api import money
from tests.eventually import eventually

pytestmark = pytest.mark.browser
_numbers = count(1)


async def _trade(site: Site, orders: int) -> None:
    """A shop's stock, and orders for it."""
    location = (await site.post("/locations", {"name": f"Shop {next(_numbers)}", "kind": "shop"}, key=_key()))["id"]
    edition = {
        "sku": f"SKU-{next(_numbers)}",
        "title": "Emma",
        "contributors": [{"name": "Jane Austen", "role": "author"}],
        "format": "paperback",
        "list_price": money(899),
    }
    edition_id = (await site.post("/editions", edition, key=_key()))["id"]
    line = {"edition_id": edition_id, "quantity": 1_000, "unit_cost": money(500)}
    await site.post("/stock/receipts", {"location_id": location, "lines": [line]}, key=_key())
    for _ in range(orders):
        lines = [{"edition_id": edition_id, "quantity": 1}]
        await site.post("/orders", {"location_id": location, "channel": "pos", "lines": lines}, key=_key())


def _key() -> str:
    return f"browser-{next(_numbers)}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_has_a_name_a_role_and_enough_contrast(site: Site, scheme: Scheme) -> None:
    """At the door, at the desk and in a dialog."""
    async with visiting(site, scheme=scheme) as visit:
        await visit.page.goto(f"{site.url}/console")
        await visit.page.get_by_label("Operator key").wait_for()
        await visit.picture(f"door-{scheme}")
        assert await faults_of(visit.page) == []
        await visit.enter()
        await visit.page.locator("#checks li").first.wait_for()
        await visit.picture(f"desk-{scheme}", whole=True)
        assert await faults_of(visit.page) == []
        await visit.page.get_by_role("button", name="Manage sales").click()
        await visit.page.get_by_role("heading", name="Rebuild", exact=True).wait_for()
        await visit.picture(f"manage-{scheme}")
        assert await faults_of(visit.page) == []


async def test_the_door_says_what_is_wrong_with_a_key(site: Site) -> None:
    """None, a store's, one that opens nothing; and a session outlives a reload and ends when it is told to."""
    async with visiting(site) as visit:
        await visit.page.goto(f"{site.url}/console")
        field, problem = visit.page.get_by_label("Operator key"), visit.page.locator("#door-error")
        for key, sentence in (
            ("", "Enter the key"),
            (site.owner_key, "store's key"),
            (site.operator_key[:-1] + ("a" if site.operator_key[-1] != "a" else "b"), "opens nothing"),
        ):
            await field.fill(key)
            await visit.page.get_by_role("button", name="Open the console").click()
            await visit.page.locator("#door-error", has_text=sentence).wait_for()
            assert await field.get_attribute("aria-invalid") == "true"
            assert await field.evaluate("field => field === document.activeElement"), await problem.text_content()
        await visit.enter()
        assert (
            await visit.page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
        )
        await visit.page.reload()
        await visit.page.locator("#projections-table tbody tr").first.wait_for()
        await visit.page.get_by_role("button", name="End session").click()
        await field.wait_for()
        await visit.page.reload()
        await field.wait_for()


async def test_lag_moves_under_writes_and_a_rebuild_is_followed_to_its_cut_over(site: Site) -> None:
    """Paused, a projection falls behind as orders come; resumed, it catches up; rebuilt, it is on the next build."""
    async with visiting(site) as visit:
        await visit.enter()
        page = visit.page
        row = page.locator("#projections-table tbody tr", has_text=re.compile(r"^sales@"))
        jobs = page.locator("#jobs")
        await _trade(site, 1)

        await page.get_by_role("button", name="Manage sales").click()
        await page.get_by_role("button", name="Pause").click()
        await row.get_by_text("Paused").wait_for()
        await _trade(site, 5)
        await row.locator("td").nth(1).get_by_text(re.compile(r"^[1-9]")).wait_for()
        await page.get_by_role("button", name="Manage sales").click()
        await page.get_by_role("button", name="Resume").click()
        await row.get_by_text(re.compile("Current|Following")).wait_for()
        await row.locator("td").nth(1).get_by_text(re.compile(r"^0$")).wait_for()

        await page.get_by_role("button", name="Manage sales").click()
        await page.get_by_role("button", name="Rebuild").click()
        await jobs.get_by_text("every store cut over").wait_for()
        await row.get_by_text("kept 1").wait_for()
        await visit.picture("rebuilt", whole=True)
        await page.get_by_role("button", name="Manage sales").click()
        await page.get_by_role("button", name="Verify").click()
        await jobs.get_by_text("Identical").wait_for()
        await page.locator("#audit-table").get_by_text("Verify").first.wait_for()


async def test_it_works_by_keyboard_alone_and_shows_where_one_is(site: Site) -> None:
    """Past the bar by one link, to a dialog and back to the button that opened it; every stop is outlined."""
    async with visiting(site) as visit:
        await visit.enter()
        page = visit.page
        await page.reload()
        await page.locator("#projections-table tbody tr").first.wait_for()
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        seen = []
        for _ in range(60):
            await page.keyboard.press("Tab")
            outline = "getComputedStyle(document.activeElement).outlineWidth"
            assert await page.evaluate(outline) == "3px", await page.evaluate("document.activeElement.outerHTML")
            seen.append(await page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''"))
            if seen[-1] == "Manage kpis":
                break
        assert seen[-1] == "Manage kpis"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "manage-title"
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == "Manage kpis"


async def test_two_hundred_stores_are_shown_fast_and_long_names_do_no_harm(site: Site) -> None:
    """The furthest behind first; all of them when asked; found by name; and on a narrow screen nothing sticks out."""
    admin = await asyncpg.connect(site.servers.write_admin_url)
    try:
        await admin.execute(
            "WITH made AS (INSERT INTO write.tenant (tenant_id, version, slug, name, currency, timezone,"
            " prices_include_tax, tax_rates, allowed_origins, created_at) SELECT gen_random_uuid(), 1,"
            " 'store-' || n || CASE WHEN n % 50 = 0 THEN repeat('-with-a-long-name', 3) ELSE '' END, 'x', 'GBP',"
            " 'Europe/London', true, '{}', '{}', now() FROM generate_series(1, 200) n RETURNING tenant_id)"
            " INSERT INTO log.tenant_head (tenant_id, shard, position, recorded_at)"
            " SELECT tenant_id, 0, 0, now() FROM made"
        )
    finally:
        await admin.close()
    async with visiting(site) as visit:
        await visit.enter()
        page = visit.page
        rows = page.locator("#stores-table tbody tr")
        await page.get_by_role("button", name="Show all").click()

        async def shown() -> int:
            return int(await rows.count())

        await eventually(shown, lambda number: number >= 201)
        await page.get_by_label("Filter stores by name").fill("with-a-long")
        await eventually(shown, lambda number: number == 4)
        await visit.picture("long-names", whole=True)
        busiest = await page.evaluate(
            "new Promise(done => { let worst = 0; new PerformanceObserver(list => list.getEntries().forEach(one => "
            "worst = Math.max(worst, one.duration))).observe({ entryTypes: ['longtask'] }); "
            "setTimeout(() => done(worst), 4000); })"
        )
        assert busiest < 250, "a frame keeps the page busy"
        await page.set_viewport_size({"width": 375, "height": 800})
        await visit.picture("narrow", whole=True)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 375
