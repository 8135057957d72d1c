"""Receivers are told what happens, by the rules of Standard Webhooks 1.0, over real HTTP."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest

from shared_kernel.access.roles import Role
from shared_kernel.settings import SettingsError, read_settings
from tests.builders.receiving import Receiver, receiver
from tests.builders.telling import SCHEDULE, Shop, open_shop
from tests.builders.write_api import made
from tests.eventually import eventually
from tests.servers import Servers
from write_side.webhooks.commands import EventType
from write_side.webhooks.public_events import PUBLIC_TYPES
from write_side.webhooks.schedule import RETRY_SECONDS, delay_seconds
from write_side.webhooks.signing import ROTATION_OVERLAP, secrets_in_force
from write_side.worker import ReactionsSettings


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


def test_the_secret_before_signs_for_a_day() -> None:
    """Then the newest alone, as before there was another."""
    rotated_at = datetime(2026, 1, 1, tzinfo=UTC)
    assert secrets_in_force(1, None, rotated_at) == (1,)
    assert secrets_in_force(2, rotated_at, rotated_at + ROTATION_OVERLAP - timedelta(seconds=1)) == (2, 1)
    assert secrets_in_force(2, rotated_at, rotated_at + ROTATION_OVERLAP) == (2,)


async def test_what_was_delivered_is_replayed_when_all_of_it_is_asked_for(shop: Shop) -> None:
    """Under its own id, and not where only failures are."""
    async with receiver() as target:
        webhook = await shop.tell(target)
        await shop.order()
        await eventually(shop.deliveries, lambda found: [one[0] for one in found] == ["delivered"])
        path = f"/webhooks/{webhook['id']}/replays"
        assert made(await shop.api.post(path, {"from_position": 1}), status=200)["messages"] == 0
        again = await shop.api.post(path, {"from_position": 1, "only_failed": False})
        assert made(again, status=200)["messages"] == 1
        await eventually(lambda: _count(target), lambda count: count == 2, within_seconds=60)
        assert len({(one.id, one.body) for one in target.received}) == 1


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
