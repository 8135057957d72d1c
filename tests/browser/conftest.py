"""A whole installation behind one port, and a headless Chromium to visit it with: `make test-browser`."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import pytest

from tests.builders.operations_api import operator_key
from tests.command_line import on_servers
from tests.servers import Run, Servers, fresh_databases

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SCREENSHOTS = os.environ.get("SHELFWISE_SCREENSHOTS")
Scheme = Literal["light", "dark"]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The running installation, an operator's key, and an owner's."""

    url: str
    servers: Servers
    operator_key: str
    owner_key: str

    async def post(self, path: str, body: object, *, key: str) -> Any:  # noqa: ANN401 - JSON
        """A store's command that succeeds: its `data`."""
        headers = {"Authorization": f"Bearer {self.owner_key}", "Idempotency-Key": key}
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(f"{self.url}/api/v1{path}", json=body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["data"]


@pytest.fixture(scope="module")
def site(run: Run) -> Iterator[Site]:
    """`shelfwise up` with one store."""
    if _CHROMIUM is None:
        pytest.skip("chromium is not installed: on Debian, apt install chromium")
    pytest.importorskip("playwright.async_api", reason="playwright is not installed: make test-browser does it")
    folder = Path(tempfile.mkdtemp(prefix="shelfwise-browser-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        runner = stack.enter_context(asyncio.Runner())
        databases = fresh_databases(run)
        servers = runner.run(databases.__aenter__())
        stack.callback(lambda: runner.run(databases.__aexit__(None, None, None)))
        shelfwise = on_servers(servers, folder)
        up = stack.enter_context(shelfwise.up())
        place = ("--currency", "GBP", "--timezone", "Europe/London")
        shelfwise.answer("tenants", "create", "Corner Books", "--slug", "corner-books", *place)
        owner = shelfwise.answer("keys", "create", "--tenant", "corner-books", "--role", "owner")
        key = runner.run(operator_key(servers))
        yield Site(url=up.url, servers=servers, operator_key=key, owner_key=owner["key"])


class Visit:
    """One page of one browser."""

    def __init__(self, page: Any, site: Site) -> None:  # noqa: ANN401 - playwright is not always there to be named
        self.page = page
        self.site = site
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{error}"))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:  # noqa: ANN401 - as above
        # A refused session is asked about once, at the door; a browser calls every 401 an error.
        if message.type == "error" and "401" not in message.text and "403" not in message.text:
            self.faults.append(message.text)

    async def enter(self) -> None:
        """Open the console with the operator's key, by keyboard alone."""
        await self.page.goto(f"{self.site.url}/console")
        await self.page.get_by_label("Operator key").wait_for()
        await self.page.keyboard.type(self.site.operator_key)
        await self.page.keyboard.press("Enter")
        await self.page.locator("#projections-table tbody tr").first.wait_for()

    async def picture(self, name: str, *, whole: bool = False) -> None:
        """Keep what it looks like, where a folder for that is named."""
        if _SCREENSHOTS:
            await self.page.screenshot(path=Path(_SCREENSHOTS) / f"{name}.png", full_page=whole, caret="initial")


@asynccontextmanager
async def visiting(site: Site, *, scheme: Scheme = "light", width: int = 1280) -> AsyncIterator[Visit]:
    """A browser of its own, which must not find fault with the page."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only `make test-browser` installs it

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        try:
            context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            context.set_default_timeout(20_000)
            visit = Visit(await context.new_page(), site)
            yield visit
            assert visit.faults == []
        finally:
            await browser.close()
