"""Receivers are told what happens, by the rules of Standard Webhooks 1.0, over real HTTP."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, get_args

import msgspec
import pytest

from shared_kernel.access.roles import Role
from shared_kernel.settings import SettingsError, read_settings
from tests.builders.reacting import running_reactions
from tests.builders.receiving import Receiver, receiver
from tests.builders.write_api import WriteApi, made, open_write_api, order, shelf
from tests.eventually import eventually
from tests.servers import Servers
from write_side.webhooks.commands import EventType
from write_side.webhooks.delivering import Deliveries
from write_side.webhooks.noting import WEBHOOKS
from write_side.webhooks.public_events import PUBLIC_TYPES
from write_side.webhooks.schedule import RETRY_SECONDS, delay_seconds
from write_side.webhooks.sending import Sender
from write_side.webhooks.signing import WebhookRules
from write_side.worker import ReactionsSettings

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
async def open_shop(servers: Servers, *, schedule: Sequence[float] = SCHEDULE) -> AsyncIterator[Shop]:
    """A shop whose receivers are tried again soon."""
    rules = WebhookRules(secret_key=servers.secret_key, allows_loopback=True)
    sender = Sender(allows_loopback=True, timeout_seconds=2)
    duty = Deliveries(rules, sender, schedule=tuple(schedule), random=lambda: 0.0).duty
    async with open_write_api(servers) as api, running_reactions(servers, WEBHOOKS, duties=(duty,)):
        yield Shop(api, *await shelf(api))
    sender.close()


@pytest.fixture
async def shop(servers: Servers) -> AsyncIterator[Shop]:
    """One for a test."""
    async with open_shop(servers) as opened:
        yield opened


async def _count(target: Receiver) -> int:
    return len(target.received)


def test_nothing_is_signed_with_what_anybody_can_derive() -> None:
    """A worker that was not told the installation's secret does not start."""
    variables = {f"SHELFWISE_{name}_URL": "x" for name in ("WRITE_DATABASE", "REDIS")}
    with pytest.raises(SettingsError, match="SHELFWISE_SECRET_KEY"):
        read_settings(ReactionsSettings, variables)


def test_the_contract_names_the_public_types() -> None:
    """Those that the list has, in its order."""
    assert get_args(EventType) == PUBLIC_TYPES


def test_the_schedule_is_the_published_one() -> None:
    """Ten attempts in about three days, a fifth later at most, and not before the receiver asked."""
    assert sum(RETRY_SECONDS) > 3 * 86_400
    assert delay_seconds(1, schedule=RETRY_SECONDS, random=lambda: 1.0, at_least=None) == pytest.approx(6.0)
    assert delay_seconds(1, schedule=RETRY_SECONDS, random=lambda: 0.0, at_least=120) == 120
    assert delay_seconds(10, schedule=RETRY_SECONDS, random=lambda: 0.0, at_least=None) is None


async def test_a_receiver_is_told_once_and_can_tell_who_says_it(shop: Shop) -> None:
    """The public shape, signed; another type is not told; the id is the message's own."""
    async with receiver() as target, receiver() as other:
        webhook = await shop.tell(target, "order.placed")
        await shop.tell(other, "goods.returned")
        (secret,) = await shop.secrets(webhook)
        order_id = await shop.order()
        await eventually(lambda: _count(target))
        (received,) = target.received
        assert received.is_signed_by(secret)
        assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 10
        body = msgspec.json.decode(received.body)
        assert (body["type"], body["data"]["id"]) == ("order.placed", order_id)
        await eventually(shop.deliveries, lambda found: found == [("delivered", 1, "order.placed")])
        assert other.received == []
        assert secret not in str([one.payload for one in await shop.api.write_side.log()])


async def test_what_fails_is_sent_again_under_the_same_id(shop: Shop) -> None:
    """The same bytes, until it succeeds."""
    async with receiver(503) as target:
        await shop.tell(target)
        await shop.order()
        await eventually(lambda: _count(target), lambda count: count >= 2)
        target.status = 200
        await eventually(shop.deliveries, lambda found: [one[0] for one in found] == ["delivered"])
        assert len({(one.id, one.body) for one in target.received}) == 1


async def test_both_secrets_sign_while_they_are_rotated(shop: Shop) -> None:
    """A receiver that knows either is content."""
    async with receiver() as target:
        webhook = await shop.tell(target)
        (old,) = await shop.secrets(webhook)
        made(await shop.api.post(f"/webhooks/{webhook['id']}/secret-rotation", {}), status=200)
        new, before = await shop.secrets(webhook)
        assert (before, new != old) == (old, True)
        await shop.order()
        await eventually(lambda: _count(target))
        assert all(target.received[0].is_signed_by(secret) for secret in (old, new))


async def test_a_receiver_that_is_gone_is_disabled(shop: Shop) -> None:
    """410 ends it at once; enabled again and replayed, it hears what it missed."""
    async with receiver(410) as target:
        webhook = await shop.tell(target)
        await shop.order()

        async def status() -> str:
            return await shop.status_of(webhook)

        await eventually(status, lambda seen: seen == "disabled")
        assert [one[:2] for one in await shop.deliveries()] == [("failed", 1)]
        target.status = 200
        made(await shop.api.post(f"/webhooks/{webhook['id']}/enablement", {}), status=200)
        replayed = await shop.api.post(f"/webhooks/{webhook['id']}/replays", {"from_position": 1})
        assert made(replayed, status=200)["messages"] == 1
        await eventually(shop.deliveries, lambda found: found[0][0] == "delivered")
        assert len({one.id for one in target.received}) == 1


async def test_a_receiver_that_fails_for_days_is_disabled(shop: Shop) -> None:
    """Once the schedule has run out without a success."""
    async with receiver(500) as target:
        webhook = await shop.tell(target)
        await shop.order()

        async def status() -> str:
            return await shop.status_of(webhook)

        await eventually(status, lambda seen: seen == "disabled")
        assert await shop.deliveries() == [("failed", len(SCHEDULE) + 1, "order.placed")]
        assert len(target.received) == len(SCHEDULE) + 1


async def test_a_dead_receiver_delays_nobody_else(shop: Shop) -> None:
    """Not by a second, and neither do twenty."""
    async with receiver(None) as dead, receiver() as live:
        for _ in range(20):
            await shop.tell(dead)
        await shop.tell(live)
        for _ in range(5):
            started_at, before = time.monotonic(), len(live.received)
            await shop.order()
            await eventually(partial(_count, live), before.__lt__)
            assert live.received[-1].at - started_at < 1.0
        assert dead.received


async def test_a_store_whose_receivers_all_hang_delays_no_other(shop: Shop) -> None:
    """As many as a store may have, on one dead host, all for the first time."""
    async with receiver(None) as dead, receiver() as live:
        for _ in range(49):
            await shop.tell(dead, "order.placed")
        other = await shop.api.another(tenant=await shop.api.write_side.another_store())
        neighbour = Shop(other, *await shelf(other))
        await neighbour.tell(live)
        await shop.order()
        await eventually(lambda: _count(dead), lambda count: count >= 10)
        started_at = time.monotonic()
        await neighbour.order()
        await eventually(partial(_count, live))
        assert live.received[0].at - started_at < 1.0


async def test_a_store_has_fifty_receivers_at_most(shop: Shop) -> None:
    """Also where they are created all at once."""
    async with receiver() as target:
        asked = [shop.api.post("/webhooks", {"url": target.url}) for _ in range(60)]
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*asked))
        assert statuses == {201: 50, 409: 10}


async def test_only_the_owner_manages_webhooks(shop: Shop) -> None:
    """Not a manager; another store's webhook is not there; a private address is refused when it is given."""
    async with receiver() as target:
        webhook = await shop.tell(target)
        manager = await shop.api.another(role=Role.MANAGER)
        assert (await manager.post("/webhooks", {"url": target.url})).status_code == 403
        stranger = await shop.api.another(tenant=await shop.api.write_side.another_store())
        assert (await stranger.post(f"/webhooks/{webhook['id']}/secret", {}, key=None)).status_code == 404
        refused = made(await shop.api.post("/webhooks", {"url": "https://169.254.169.254/latest"}), status=422)
        assert refused["errors"][0]["pointer"] == "/url"
        made(await shop.api.send("DELETE", f"/webhooks/{webhook['id']}"), status=200)
        assert (await shop.api.send("DELETE", f"/webhooks/{webhook['id']}")).status_code == 404
        await shop.order()
        assert target.received == []
