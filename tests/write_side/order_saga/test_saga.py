"""An order that is paid first ends paid and handed over, or fully undone: whatever the provider says or not."""

from collections.abc import AsyncIterator
from enum import StrEnum
from functools import partial

import asyncpg
import msgspec
import pytest

from shared_kernel.database.transactions import transaction
from tests.builders.paying import PRICE_MINOR, PaidStore, open_paid_store
from tests.builders.sandbox import DECLINED
from tests.servers import Servers
from write_side.command_execution.errors import OutcomeUnknownError
from write_side.order_saga.runtime import SagaRuntime
from write_side.orders.commands import ReturnedQuantity, ReturnFromOrder
from write_side.orders.errors import OrderAwaitsPayment
from write_side.orders.returning import return_from_order
from write_side.payments import repository as payments
from write_side.payments.asking import ask_what_is_due
from write_side.payments.commands import CapturePayment
from write_side.payments.fault_points import OperationPoint
from write_side.payments.handlers import plan_capture
from write_side.payments.model import operation_id


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[PaidStore]:
    """A hundred copies, and a provider that behaves."""
    async with open_paid_store(servers) as opened:
        yield opened


async def test_an_order_is_authorized_confirmed_and_captured_when_it_leaves(store: PaidStore) -> None:
    """One charge, of the order's total, less the provider's fee; the story says each step."""
    order = await store.order(quantity=2)
    await store.settle_down()
    held = await store.standing(order)
    assert (held.order, held.payment, held.saga, held.held_for) == ("confirmed", "authorized", "running", None)
    await store.fulfil(order)
    await store.settle_down()
    done = await store.standing(order)
    assert (done.order, done.payment, done.saga, done.captured) == (
        "fulfilled",
        "captured",
        "completed",
        2 * PRICE_MINOR,
    )
    [intent] = await store.at_provider(order)
    assert (intent.net, intent.held) == (2 * PRICE_MINOR, 0)
    story = ["OrderPlaced", "PaymentRequested", "PaymentAuthorized", "OrderConfirmed", "OrderFulfilled"]
    assert await store.events_of(order) == [*story, "PaymentCaptured"]
    assert await store.stock() == (98, 0)


async def test_nothing_leaves_before_the_money_is_certain(store: PaidStore) -> None:
    """A copy that left could not be called back."""
    order = await store.order()
    with pytest.raises(OrderAwaitsPayment):
        await store.fulfil(order)


async def test_a_declined_order_is_undone(store: PaidStore) -> None:
    """Its copies are free again, and nothing was taken."""
    order = await store.order(token=DECLINED)
    await store.settle_down()
    undone = await store.standing(order)
    assert (undone.order, undone.payment, undone.saga) == ("cancelled", "declined", "compensated")
    assert [intent.net + intent.held for intent in await store.at_provider(order)] == [0]
    assert await store.stock() == (100, 0)
    story = ["OrderPlaced", "PaymentRequested", "PaymentDeclined", "OrderUndoBegun", "OrderCancelled"]
    assert await store.events_of(order) == story


async def test_a_cancelled_order_gives_back_what_was_held(store: PaidStore) -> None:
    """And one that is cancelled before anybody asked is never asked for."""
    order, early = await store.order(), await store.order()
    await store.cancel(early)
    await store.settle_down()
    await store.cancel(order)
    await store.settle_down()
    [void] = await store.at_provider(order)
    assert (void.status, void.net, void.held) == ("canceled", 0, 0)
    assert await store.at_provider(early) == []
    assert {(await store.standing(one)).saga for one in (order, early)} == {"compensated"}
    assert await store.stock() == (100, 0)


async def test_nobody_asks_for_money_while_it_is_decided_that_nobody_has(store: PaidStore) -> None:
    """An authorization given up as unasked, and asked for at that moment, would hold a buyer's money for good."""
    order = await store.order()
    await store.hear()
    await SagaRuntime(store.asking(), store.times).advance_what_is_due()
    assert order.payment_id is not None
    tenant_id = store.write_side.tenant.id
    async with transaction(store.write_side.pool, tenant_id=tenant_id) as connection:
        payment = await payments.lock(connection, tenant_id, order.payment_id)
        assert payment is not None
        assert [(one.kind, one.attempts) for one in payment.operations] == [("authorize", 0)]
        assert await ask_what_is_due(store.asking()) == 0
    assert await store.at_provider(order) == []
    assert await ask_what_is_due(store.asking()) == 1


async def test_an_operation_that_fails_leaves_those_beside_it_alone(store: PaidStore) -> None:
    """What the provider is being asked for others is kept as soon as it answers, not when their lease is over."""
    orders = [await store.order(), await store.order()]
    await store.hear()
    await SagaRuntime(store.asking(), store.times).advance_what_is_due()
    await store.sandbox.misbehave("delay", on="authorize", seconds=0.3)
    failing = [OutcomeUnknownError()]

    def fail_once(point: StrEnum) -> None:
        if point == OperationPoint.AUTHORIZE_CALLED and failing:
            raise failing.pop()

    with pytest.raises(ExceptionGroup):
        await ask_what_is_due(store.asking(reach=fail_once))
    assert sorted([(await store.standing(order)).payment for order in orders]) == ["authorized", "requested"]


async def test_what_nobody_collects_is_undone_in_time(store: PaidStore) -> None:
    """Money first, then the copies: by timer, without anybody saying anything."""
    store.times = msgspec.structs.replace(store.times, hold_seconds=0.0)
    order = await store.order()
    await store.settle_down()
    assert await store.events_of(order) == [
        "OrderPlaced",
        "PaymentRequested",
        "PaymentAuthorized",
        "OrderConfirmed",
        "OrderUndoBegun",
        "PaymentVoided",
        "OrderCancelled",
    ]
    assert [intent.held + intent.net for intent in await store.at_provider(order)] == [0]


async def test_an_order_not_confirmed_in_time_is_undone_even_if_it_was_charged(store: PaidStore) -> None:
    """What came of the authorization must be known first: then it is let go."""
    await store.sandbox.misbehave("fail_after", on="authorize")
    await store.sandbox.misbehave("fail_before", on="look_up", times=3)
    store.times = msgspec.structs.replace(store.times, confirm_seconds=0.0)
    order = await store.order()
    await store.hear()
    await store.write_side.as_administrator("UPDATE write.order_saga SET confirm_by = now() + interval '1 hour'")
    await store.turn()
    await store.write_side.as_administrator("UPDATE write.order_saga SET confirm_by = now(), due_at = now()")
    await store.wait_out()
    undone = await store.standing(order)
    assert (undone.order, undone.payment, undone.saga) == ("cancelled", "voided", "compensated")
    assert [(intent.status, intent.net) for intent in await store.at_provider(order)] == [("canceled", 0)]


@pytest.mark.parametrize("way", ["hang_after", "fail_after", "fail_before", "html", "rename_field"])
async def test_an_answer_that_is_lost_or_mangled_costs_no_second_charge(store: PaidStore, way: str) -> None:
    """At the authorization and at the capture alike."""
    order = await store.order()
    await store.sandbox.misbehave(way, on="authorize", seconds=0.8)
    await store.settle_down()
    await store.sandbox.misbehave(way, on="capture", seconds=0.8)
    await store.fulfil(order)
    await store.settle_down()
    assert (await store.standing(order)).saga == "completed"
    [intent] = await store.at_provider(order)
    assert (intent.net, intent.held) == (PRICE_MINOR, 0)
    mangled = await store.write_side.as_administrator("SELECT count(*) AS count FROM write.quarantined_answer")
    assert mangled[0]["count"] == (2 if way in {"html", "rename_field"} else 0)


async def test_what_comes_back_is_refunded(store: PaidStore) -> None:
    """A copy, then the other: the payment is refunded when all of it is."""
    order = await store.order(quantity=2)
    await store.settle_down()
    await store.fulfil(order)
    for expected in (PRICE_MINOR, 2 * PRICE_MINOR):
        line = ReturnedQuantity(line_id=order.lines[0].line_id, quantity=1)
        await store.write_side.run(partial(return_from_order, order.id, ReturnFromOrder(lines=(line,))))
        await store.settle_down()
        after = await store.standing(order)
        assert (after.saga, after.refunded) == ("completed", expected)
    whole = await store.standing(order)
    assert (whole.payment, whole.order) == ("refunded", "returned")
    [intent] = await store.at_provider(order)
    assert intent.net == 0


async def test_a_capture_that_is_refused_asks_for_attention(store: PaidStore) -> None:
    """The goods are gone: nothing of ours can undo that."""
    order = await store.order()
    await store.settle_down()
    await store.sandbox.misbehave("decline", on="capture")
    await store.fulfil(order)
    await store.wait_out()
    halted = await store.standing(order)
    assert (halted.saga, halted.payment) == ("needs_attention", "authorized")
    assert (await store.events_of(order))[-1] == "OrderNeedsAttention"


async def test_a_capture_that_was_refused_and_then_done_asks_nobody(store: PaidStore) -> None:
    """Whoever asked was told, and asked again: there is one capture to do, and it is done."""
    order = await store.order()
    assert order.payment_id is not None
    await store.settle_down()
    await store.sandbox.misbehave("decline", on="capture")
    for _ in ("refused", "done"):
        await store.write_side.run(partial(plan_capture, order.payment_id, CapturePayment()))
        await store.settle_down()
    await store.fulfil(order)
    await store.wait_out()
    after = await store.standing(order)
    assert (after.saga, after.payment, after.captured) == ("completed", "captured", PRICE_MINOR)
    assert [intent.net for intent in await store.at_provider(order)] == [PRICE_MINOR]


async def test_the_token_is_forgotten_once_the_provider_has_answered(store: PaidStore) -> None:
    """And it is in no event."""
    await store.order(token="pm_very_secret")  # noqa: S106 - of a sandbox
    assert await _tokens(store) == 1
    await store.settle_down()
    assert await _tokens(store) == 0
    assert "pm_very_secret" not in f"{await store.write_side.log()}"


async def test_the_books_cannot_be_changed_beside_the_ledger(store: PaidStore) -> None:
    """The database holds each posting, and the payment against its entries, when it commits."""
    order = await store.order()
    await store.settle_down()
    for statement in (
        "UPDATE write.payment SET captured_minor = 1, status = 'captured' WHERE payment_id = $1",
        "INSERT INTO write.payment_entry SELECT tenant_id, $1, 9, 'held', 5, now() FROM write.tenant",
        "UPDATE write.payment SET refunded_minor = 1 WHERE payment_id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await store.write_side.as_administrator(statement, order.payment_id)


async def test_the_same_is_asked_for_once(store: PaidStore) -> None:
    """An operation's id follows from its payment's: whoever asks first, the other finds it."""
    order = await store.order()
    assert order.payment_id is not None
    await store.settle_down()
    rows = await store.write_side.as_administrator("SELECT operation_id, kind FROM write.payment_operation")
    assert [(row["kind"], row["operation_id"]) for row in rows] == [
        ("authorize", operation_id(order.payment_id, "authorize"))
    ]


async def _tokens(store: PaidStore) -> int:
    rows = await store.write_side.as_administrator("SELECT count(*) AS count FROM write.payment_token")
    return int(rows[0]["count"])
