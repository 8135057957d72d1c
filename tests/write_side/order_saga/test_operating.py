"""What operators do with an order's saga that can neither be completed nor undone."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.builders.paying import PRICE_MINOR, PaidStore, open_paid_store
from tests.servers import Servers
from write_side.order_saga.errors import ProviderStillAsked, SagaNotWaiting
from write_side.order_saga.operating import resolve_saga, retry_saga
from write_side.orders.commands import ReturnedQuantity, ReturnFromOrder
from write_side.orders.returning import return_from_order
from write_side.payments.asking import ask_what_is_due
from write_side.payments.commands import CapturePayment, PositiveMoney, RefundPayment
from write_side.payments.handlers import plan_capture, plan_refund


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[PaidStore]:
    """A hundred copies, and a provider that behaves."""
    async with open_paid_store(servers) as opened:
        yield opened


async def test_an_operator_has_a_refused_capture_tried_again(store: PaidStore) -> None:
    """Under a key of its own, since the provider would only repeat its refusal under the first."""
    order = await store.order()
    await store.settle_down()
    await store.sandbox.misbehave("decline", on="capture")
    await store.fulfil(order)
    await store.wait_out()
    await store.write_side.run(partial(retry_saga, order.id, "the bank was asked"))
    await store.settle_down()
    assert (await store.standing(order)).saga == "completed"
    assert [intent.net for intent in await store.at_provider(order)] == [PRICE_MINOR]


async def test_an_operator_has_a_refused_refund_of_a_return_tried_again(store: PaidStore) -> None:
    """Otherwise the saga would be complete, and the buyer without book and money."""
    order = await store.order()
    await store.settle_down()
    await store.fulfil(order)
    await store.settle_down()
    for times in (1, 2):
        await store.sandbox.misbehave("decline", on="refund")
        if times == 1:
            line = ReturnedQuantity(line_id=order.lines[0].line_id, quantity=1)
            await store.write_side.run(partial(return_from_order, order.id, ReturnFromOrder(lines=(line,))))
        await store.settle_down()
        assert (await store.standing(order)).saga == "needs_attention"
        await store.write_side.run(partial(retry_saga, order.id, "the bank was asked"))
    await store.settle_down()
    after = await store.standing(order)
    assert (after.saga, after.payment, after.refunded) == ("completed", "refunded", PRICE_MINOR)
    assert [intent.net for intent in await store.at_provider(order)] == [0]


async def test_an_operator_closes_what_was_settled_by_hand(store: PaidStore) -> None:
    """What was being undone is cancelled then, and its copies are free; a saga that needs nobody is left alone."""
    order = await store.order()
    await store.settle_down()
    with pytest.raises(SagaNotWaiting):
        await store.write_side.run(partial(resolve_saga, order.id, "why not"))
    store_refuses = "UPDATE write.order_saga SET hold_until = now(), due_at = now()"
    await store.write_side.as_administrator(store_refuses)
    await store.sandbox.misbehave("decline", on="void")
    await store.wait_out()
    assert (await store.standing(order)).saga == "needs_attention"
    await store.write_side.run(partial(resolve_saga, order.id, "let go on the telephone"))
    resolved = await store.standing(order)
    assert (resolved.saga, resolved.order) == ("resolved", "cancelled")
    assert await store.stock() == (100, 0)


async def test_nothing_is_closed_by_hand_while_the_provider_is_asked(store: PaidStore) -> None:
    """It may yet be done: its end is waited for, and kept."""
    order = await store.order(quantity=2)
    await store.settle_down()
    assert order.payment_id is not None
    await store.write_side.run(partial(plan_capture, order.payment_id, CapturePayment()))
    await store.settle_down()
    refund = partial(plan_refund, order.payment_id, RefundPayment(amount=_pence(100)))
    await store.sandbox.misbehave("decline", on="refund")
    await store.write_side.run(refund)
    await store.wait_out()
    await store.write_side.run(refund)
    await store.sandbox.misbehave("fail_before", times=2)
    await ask_what_is_due(store.asking())
    with pytest.raises(ProviderStillAsked, match="about a refund"):
        await store.write_side.run(partial(resolve_saga, order.id, "surely not"))
    await store.sandbox.behave()
    await store.settle_down()
    await store.write_side.run(partial(resolve_saga, order.id, "the other one was paid out at the till"))
    resolved = await store.standing(order)
    assert (resolved.saga, resolved.refunded) == ("resolved", 100)
    assert [intent.refunded for intent in await store.at_provider(order)] == [100]


def _pence(amount_minor: int) -> PositiveMoney:
    return PositiveMoney(amount_minor=amount_minor, currency="GBP")
