"""What reactions gave up on, in the console: seen with its events, retried, skipped with a reason."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.browser.accessibility import faults_of
from tests.browser.conftest import Site, visiting
from tests.eventually import eventually

pytestmark = pytest.mark.browser
_FOLLOWED = "SELECT EXISTS (SELECT FROM reaction.checkpoint WHERE reaction = 'webhooks')"
_GIVE_UP = """
WITH counted AS (
    UPDATE reaction.checkpoint SET parked = parked + 2 WHERE reaction = 'webhooks' RETURNING tenant_id
)
INSERT INTO reaction.parked_key (id, reaction, tenant_id, key, state, first_position, attempts, error, next_attempt_at,
                                 parked_at)
SELECT gen_random_uuid(), 'webhooks', tenant_id, gen_random_uuid(), 'dead', 1, 8, 'KeyError at noting.py:' || n, now(),
       now() + make_interval(secs => n)
FROM counted CROSS JOIN generate_series(1, 2) n
"""


async def _given_up(site: Site) -> None:
    """Two keys of a reaction that failed eight times, at an event that it can be given now."""
    admin = await asyncpg.connect(site.servers.write_admin_url)
    try:
        await eventually(lambda: admin.fetchval(_FOLLOWED), within_seconds=60)
        await admin.execute(_GIVE_UP)
    finally:
        await admin.close()


async def test_what_a_reaction_gave_up_on_is_retried_and_another_is_skipped(site: Site) -> None:
    """An answer that comes late fills no dialog but its own."""
    await _given_up(site)
    async with visiting(site) as visit:
        await visit.enter()
        page = visit.page
        card, dialog = page.locator("#reaction-letters"), page.locator("#letter")
        looks = card.get_by_role("button", name="Look at webhooks")
        await looks.nth(1).wait_for()
        await visit.picture("reaction-letters", whole=True)

        held, free = asyncio.Event(), asyncio.Event()

        async def hold(route: Any) -> None:  # noqa: ANN401 - playwright is not always there to be named
            answer = await route.fetch()
            held.set()
            await free.wait()
            await route.fulfill(response=answer)

        await page.route("**/reactions/dead-letters/*", hold, times=1)
        await looks.first.click()
        await asyncio.wait_for(held.wait(), 60)
        await page.keyboard.press("Escape")
        await looks.last.click()
        await dialog.get_by_text("KeyError at noting.py:2").wait_for()
        late = page.expect_response("**/reactions/dead-letters/*")
        async with late:
            free.set()
        await page.evaluate("new Promise(done => setTimeout(done))")
        assert "noting.py:2" in str(await page.locator("#letter-trace").text_content())
        assert await page.locator("#letter-side").is_hidden()
        await visit.picture("reaction-letter")
        assert await faults_of(page) == []

        await dialog.get_by_role("button", name="Retry").click()
        await dialog.wait_for(state="hidden")
        await eventually(looks.count, lambda left: left == 1, within_seconds=60)
        await looks.first.click()
        await dialog.get_by_text("KeyError at noting.py:1").wait_for()
        await dialog.get_by_role("button", name="Skip the event").click()
        await dialog.get_by_text("Say why the event may be left out").wait_for()
        await dialog.get_by_label("Why").fill("its receiver is gone")
        await dialog.get_by_role("button", name="Skip the event").click()
        await card.get_by_text("Nothing waits.").wait_for()
        await page.locator("#audit-table").get_by_text("Skip reaction").first.wait_for()
