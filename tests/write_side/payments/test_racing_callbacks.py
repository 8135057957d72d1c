"""A callback and whoever polls for what is unknown go one way: however they race, an operation has one effect."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.builders.paying import PRICE_MINOR, PaidStore, open_paid_store
from tests.builders.sandbox import CALLBACK_SECRET, event, signed
from tests.servers import Servers
from write_side.order_saga.runtime import SagaRuntime
from write_side.orders.commands import OrderDecided
from write_side.payments.asking import ask_what_is_due
from write_side.payments.inbox import Inbox
from write_side.payments.providers import callback_reader

_ORDERS = 8
_MAX_ROUNDS = 50


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[PaidStore]:
    """Whose leases are over at once: two who ask do ask about the same."""
    async with open_paid_store(servers) as opened:
        yield opened


async def test_callbacks_and_resolvers_that_race_make_one_effect(store: PaidStore) -> None:
    """Answers are lost, callbacks come twice, two ask: each capture is booked once."""
    orders = [await store.order() for _ in range(_ORDERS)]
    await store.settle_down()
    await store.sandbox.misbehave("fail_after", on="capture", times=_ORDERS)
    for order in orders:
        await store.fulfil(order)
    await store.hear()
    await SagaRuntime(store.asking(), store.times).advance_what_is_due()
    for _ in range(_MAX_ROUNDS):
        await asyncio.gather(
            ask_what_is_due(store.asking()),
            *(_call_back(store, order) for order in orders for _ in range(2)),
            ask_what_is_due(store.asking()),
        )
        if all([(await store.standing(order)).payment == "captured" for order in orders]):
            break
    await store.settle_down()
    for order in orders:
        at = await store.standing(order)
        assert (at.saga, at.payment, at.captured) == ("completed", "captured", PRICE_MINOR)
        assert (await store.events_of(order)).count("PaymentCaptured") == 1
        [intent] = await store.at_provider(order)
        assert intent.net == PRICE_MINOR
        assert await _booked(store, order.payment_id) == PRICE_MINOR
    kept = await store.write_side.as_administrator("SELECT count(*) AS count FROM write.provider_callback")
    assert kept[0]["count"] == _ORDERS


async def _call_back(store: PaidStore, order: OrderDecided) -> None:
    side = store.write_side
    inbox = Inbox(pool=side.pool, execution=side.execution, reader=callback_reader(secret=CALLBACK_SECRET))
    marks = {"shelfwise_tenant": str(side.tenant.id), "shelfwise_payment": str(order.payment_id)}
    body = event(marks=marks, id=f"evt_{order.payment_id}")
    assert (await inbox.receive(body, signed(body))).received


async def _booked(store: PaidStore, payment_id: UUID | None) -> int:
    """What the ledger has as received, with the provider's fee."""
    rows = await store.write_side.as_administrator(
        "SELECT sum(amount_minor)::bigint AS total FROM write.payment_entry"
        " WHERE payment_id = $1 AND account IN ('received', 'fees')",
        payment_id,
    )
    return int(rows[0]["total"])
