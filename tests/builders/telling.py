"""A store that tells receivers what happens, by a worker in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.builders.reacting import running_reactions
from tests.builders.receiving import Receiver
from tests.builders.write_api import WriteApi, made, open_write_api, order, shelf
from tests.servers import Servers
from write_side.webhooks.delivering import Deliveries
from write_side.webhooks.noting import WEBHOOKS
from write_side.webhooks.sending import Sender
from write_side.webhooks.signing import WebhookRules

SCHEDULE = (0.1, 0.1, 0.1)
DELIVERIES = "SELECT status, attempts, type FROM write.webhook_delivery ORDER BY position"


class Shop:
    """A store with copies to sell, its API, and a worker that tells its receivers."""

    def __init__(self, api: WriteApi, location: str, edition: str) -> None:
        self.api = api
        self._shelf = location, edition

    async def order(self) -> str:
        """Sell a copy; the order's id."""
        location, edition = self._shelf
        return str(made(await self.api.post("/orders", order(location, (edition, 1))))["id"])

    async def tell(self, target: Receiver, *event_types: str) -> dict[str, Any]:
        """Create a webhook."""
        return made(await self.api.post("/webhooks", {"url": target.url, "event_types": list(event_types)}))

    async def neighbour(self) -> "Shop":
        """Another store, in the same installation."""
        other = await self.api.another(tenant=await self.api.write_side.another_store())
        return Shop(other, *await shelf(other))

    async def secrets(self, webhook: dict[str, Any]) -> list[str]:
        """What it is signed with."""
        shown = await self.api.post(f"/webhooks/{webhook['id']}/secret", {}, key=None)
        return list(made(shown, status=200)["secrets"])

    async def deliveries(self) -> list[tuple[str, int, str]]:
        """Status, attempts and type of each."""
        rows = await self.api.write_side.as_administrator(DELIVERIES)
        return [(row["status"], row["attempts"], row["type"]) for row in rows]

    async def status_of(self, webhook: dict[str, Any]) -> str:
        """Enabled or not."""
        (row,) = await self.api.write_side.as_administrator(
            "SELECT status FROM write.webhook WHERE webhook_id = $1::text::uuid", webhook["id"]
        )
        return str(row["status"])


@asynccontextmanager
async def open_shop(servers: Servers, *, timeout_seconds: float = 2.0) -> AsyncIterator[Shop]:
    """A shop whose receivers are tried again soon."""
    rules = WebhookRules(secret_key=servers.secret_key, allows_loopback=True)
    sender = Sender(allows_loopback=True, timeout_seconds=timeout_seconds)
    duty = Deliveries(rules, sender, schedule=SCHEDULE, random=lambda: 0.0).duty
    async with open_write_api(servers) as api, running_reactions(servers, WEBHOOKS, duties=(duty,)):
        yield Shop(api, *await shelf(api))
    sender.close()
