"""Money over HTTP, every part in a process of its own: whatever is lost, late, doubled or killed, it moves once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared_kernel.database.roles import DatabaseRole
from tests.builders.sandbox import DECLINED
from tests.eventually import eventually
from tests.system.commit_eater import CommitEater
from tests.system.house import House
from tests.system.shops import good, money
from tests.system.till import WAIT_SECONDS, Till, Tills, open_till, open_tills

_PRICE_MINOR = 1299
_ALWAYS = 10_000
_CHARGED = ("capture.called",)
_OTHERS = ("refund.called", "capture.decided", "refund.decided", "capture.settled", "refund.settled")


@pytest.fixture(scope="module")
def tills(house: House) -> Iterator[Tills]:
    """Shared by the tests of this file."""
    with open_tills(house) as opened:
        yield opened


@pytest.fixture
async def till(tills: Tills) -> AsyncIterator[Till]:
    """A store of its own."""
    async with open_till(tills) as opened:
        yield opened


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def three_orders(till: Till) -> list[dict[str, Any]]:
    """One is kept and comes back, one is cancelled, one is declined: everything a provider calls back about."""
    back, cancelled, declined = [await till.place(), await till.place(), await till.place(token=DECLINED)]
    await till.until(back, status="confirmed")
    good(await till.shop.post(f"/orders/{back['id']}/fulfilments", {}))
    await till.until(back, payment_status="captured")
    line = {"line_id": back["lines"][0]["line_id"], "quantity": 1}
    good(await till.shop.post(f"/orders/{back['id']}/returns", {"lines": [line]}))
    await till.until(cancelled, status="confirmed")
    good(await till.shop.post(f"/orders/{cancelled['id']}/cancellation", {"reason": "a test"}))
    await till.until(back, payment_status="refunded")
    await till.settled(back, cancelled, declined)
    return [back, cancelled, declined]


async def test_callbacks_in_whatever_order_leave_the_same_books(till: Till) -> None:
    """None, or all of them twice, late and the latest first, or twice at once beside answers that are lost."""
    sandbox = till.sandbox
    await sandbox.misbehave("callbacks_never", times=_ALWAYS)
    expected = [await till.books(one) for one in await three_orders(till)]

    await sandbox.behave()
    await sandbox.misbehave("callbacks_late", times=_ALWAYS, seconds=3600)
    await sandbox.misbehave("callbacks_twice", times=_ALWAYS)
    late = await three_orders(till)
    assert await till.callbacks(*late) == []
    assert await sandbox.untold() >= 6
    await sandbox.tell_latest_first()

    await sandbox.behave()
    await sandbox.misbehave("callbacks_twice", times=_ALWAYS)
    for deed in ("authorize", "capture", "void", "refund"):
        await sandbox.misbehave("fail_after", on=deed, times=3)
    racing = await three_orders(till)

    await eventually(sandbox.untold, lambda left: left == 0, within_seconds=WAIT_SECONDS)
    for told in (late, racing):
        assert [await till.books(one) for one in told] == expected
        assert await till.callbacks(*told) == ["authorized", "authorized", "captured", "declined", "refunded", "voided"]


async def test_a_capture_and_a_refund_by_hand(till: Till) -> None:
    """Each happens once for its key; another request under it, and more than there is, are refused."""
    placed = await till.confirmed(quantity=2)
    at = f"/payments/{placed['payment_id']}"
    taken = await till.insist(f"{at}/capture", {}, key="take")
    data = good(taken)
    assert (data["status"], data["captured"], data["refunded"]) == ("captured", money(2 * _PRICE_MINOR), money(0))
    assert taken.headers["ETag"] == f'"{data["version"]}"'
    again = await till.shop.post(f"{at}/capture", {}, key="take")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (taken.content, "true")
    other = await till.shop.post(f"{at}/capture", {"amount": money(1)}, key="take")
    assert problem(other) == (422, "idempotency_key_reused")
    assert problem(await till.shop.post(f"{at}/capture", {})) == (409, "payment_already_captured")

    part = good(await till.insist(f"{at}/refunds", {"amount": money(_PRICE_MINOR)}, key="back"))
    assert (part["status"], part["refunded"]) == ("captured", money(_PRICE_MINOR))
    assert problem(await till.shop.post(f"{at}/refunds", {"amount": money(_PRICE_MINOR + 1)})) == (
        409,
        "amount_exceeds_refundable",
    )
    assert good(await till.insist(f"{at}/refunds", {}, key="rest"))["status"] == "refunded"
    [intent] = await till.at_provider(placed)
    assert (intent.captured, intent.refunded) == (2 * _PRICE_MINOR, 2 * _PRICE_MINOR)


async def test_while_the_provider_is_silent_a_client_is_told_to_come_again(till: Till) -> None:
    """And while the same request is being answered elsewhere; in the end there is the one charge."""
    placed = await till.confirmed()
    path, key = f"/payments/{placed['payment_id']}/capture", "silent"
    await _silence(till)
    pending = await till.shop.post(path, {}, key=key)
    assert problem(pending) == (409, "provider_pending")
    assert int(pending.headers["Retry-After"]) >= 1

    transaction = till.admin.transaction()
    await transaction.start()
    payment_id = UUID(placed["payment_id"])
    await till.admin.fetch("SELECT 1 FROM write.payment WHERE payment_id = $1 FOR UPDATE", payment_id)
    first = asyncio.create_task(till.shop.post(path, {"amount": money(1)}, key="part"))
    await eventually(lambda: _waiting(till), bool, within_seconds=WAIT_SECONDS)
    second = await eventually(
        lambda: till.shop.post(path, {"amount": money(1)}, key="part"),
        lambda answer: problem(answer) == (409, "idempotency_key_in_flight"),
        within_seconds=WAIT_SECONDS,
    )
    assert int(second.headers["Retry-After"]) >= 1
    await transaction.rollback()
    assert (await first).status_code in {409, 503}

    await till.sandbox.behave()
    assert good(await till.insist(path, {}, key=key))["captured"] == money(_PRICE_MINOR)
    [intent] = await till.at_provider(placed)
    assert (intent.captured, intent.refunded) == (_PRICE_MINOR, 0)


async def _waiting(till: Till) -> int:
    """How many of the API's sessions wait for the lock that this one holds; the worker may as well."""
    blocked = """
    SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)) AND usename = $1
    """
    count: int = await till.admin.fetchval(blocked, DatabaseRole.WRITE_API)
    return count


async def test_what_the_provider_refused_is_decided_anew_under_the_same_key(till: Till, tills: Tills) -> None:
    """Once the refusal was told, or may have been: by whichever process, the money moves once."""
    placed = await till.confirmed()
    at = f"/payments/{placed['payment_id']}"
    for path, deed in (("capture", "capture"), ("refunds", "refund")):
        await till.sandbox.misbehave("decline", on=deed, times=1)
        refused = await till.known(f"{at}/{path}", key=path)
        assert problem(refused) == (409, "provider_refused")
        moved = await till.insist(f"{at}/{path}", {}, key=path)
        again = await till.shop.post(f"{at}/{path}", {}, key=path)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (moved.content, "true")
    [intent] = await till.at_provider(placed)
    assert (intent.captured, intent.refunded) == (_PRICE_MINOR, _PRICE_MINOR)
    await _happened_once(till, placed)

    told, untold = await till.confirmed(), await till.confirmed()
    await till.sandbox.misbehave("decline", on="capture", times=2)
    tills.api_eater.eat_after(rb"capture_payment\.plan\.ended")
    lost = await till.known(f"/payments/{told['payment_id']}/capture", key="told")
    assert problem(lost) == (503, "outcome_unknown")
    asked = asyncio.create_task(till.shop.post(f"/payments/{untold['payment_id']}/capture", {}, key="untold"))
    try:
        await eventually(partial(till.refused, untold), bool, within_seconds=WAIT_SECONDS)
    finally:
        tills.kill_api()
        await tills.start_api()
    await asyncio.wait({asked})
    for one, key in ((told, "told"), (untold, "untold")):
        await till.insist(f"/payments/{one['payment_id']}/capture", {}, key=key)
        [intent] = await till.at_provider(one)
        assert (intent.captured, intent.status) == (_PRICE_MINOR, "succeeded")


@pytest.mark.parametrize(("requests", "orders"), [(20, 2), pytest.param(1_000, 20, marks=pytest.mark.race_campaign)])
async def test_racing_captures_and_refunds_move_money_once(till: Till, requests: int, orders: int) -> None:
    """Whoever sends the same under the same key is answered the same, after some refusals too."""
    placed = await asyncio.gather(*(till.confirmed() for _ in range(orders)))
    for path, deed in (("capture", "capture"), ("refunds", "refund")):
        await till.sandbox.misbehave("decline", on=deed, times=orders)
        paths = [f"/payments/{placed[number % orders]['payment_id']}/{path}" for number in range(requests)]
        answers = await asyncio.gather(*(till.insist(at, {}, key=f"once {at}") for at in paths))
        assert len({answer.content for answer in answers}) == orders
    for one in placed:
        [intent] = await till.at_provider(one)
        assert (intent.captured, intent.refunded) == (_PRICE_MINOR, _PRICE_MINOR)
        await _happened_once(till, one)


@pytest.mark.parametrize("points", [_CHARGED, pytest.param(_OTHERS, marks=pytest.mark.race_campaign)])
async def test_a_worker_killed_between_the_charge_and_the_commit(
    till: Till, tills: Tills, points: tuple[str, ...]
) -> None:
    """The same request, sent again, finds the one charge."""
    deaths = [f"{point}:1" for point in points]
    waiting = list(await asyncio.gather(*(till.confirmed() for _ in range(6))))
    served: list[dict[str, Any]] = []
    with tills.workers(*deaths) as workers:

        async def client() -> None:
            while not workers.are_gone:
                one = waiting.pop() if waiting else await till.confirmed()
                await _take_and_give_back(till, one)
                served.append(one)

        async with asyncio.timeout(2 * WAIT_SECONDS):
            await asyncio.gather(*(client() for _ in range(4)))
        assert set(deaths) <= set(workers.deaths)
    for one in served:
        [intent] = await till.at_provider(one)
        assert (intent.captured, intent.refunded) == (_PRICE_MINOR, _PRICE_MINOR - 1)
        await _happened_once(till, one)


async def _take_and_give_back(till: Till, placed: dict[str, Any]) -> None:
    at = f"/payments/{placed['payment_id']}"
    assert good(await till.insist(f"{at}/capture", {}, key=f"take {at}"))["captured"] == money(_PRICE_MINOR)
    back = {"amount": money(_PRICE_MINOR - 1)}
    assert good(await till.insist(f"{at}/refunds", back, key=f"back {at}"))["refunded"] == back["amount"]


async def test_an_api_killed_between_the_charge_and_its_answer(till: Till, tills: Tills) -> None:
    """What was planned is kept: the retry, of whichever process, finds the one charge."""
    placed = await till.confirmed()
    path, key = f"/payments/{placed['payment_id']}/capture", "killed"
    await _silence(till)
    asked = asyncio.create_task(till.shop.post(path, {}, key=key))
    try:
        await eventually(
            lambda: till.at_provider(placed), lambda found: found[0].captured > 0, within_seconds=WAIT_SECONDS
        )
    finally:
        tills.kill_api()
        await tills.start_api()
    await asyncio.wait({asked})
    assert isinstance(asked.exception(), httpx.TransportError) or not asked.result().is_success
    await till.sandbox.behave()
    assert good(await till.insist(path, {}, key=key))["captured"] == money(_PRICE_MINOR)
    [intent] = await till.at_provider(placed)
    assert (intent.captured, intent.status) == (_PRICE_MINOR, "succeeded")


async def _silence(till: Till) -> None:
    """Have the provider take money and tell nobody, also when asked."""
    await till.sandbox.misbehave("callbacks_never", times=_ALWAYS)
    await till.sandbox.misbehave("fail_after", on="capture", times=_ALWAYS)
    await till.sandbox.misbehave("fail_before", on="look_up", times=_ALWAYS)


async def test_a_commit_whose_answer_is_lost_is_found_by_the_retry(till: Till, tills: Tills) -> None:
    """Of placing; and of a capture's and a refund's plan, of what the provider did, and of the answer."""
    placed = await _lost(till, tills.api_eater, "OrderPlaced", "/orders", body=till.wanted())
    assert placed.headers["Idempotent-Replayed"] == "true"
    count = "SELECT count(*) FROM write.sales_order WHERE tenant_id = $1"
    assert await till.admin.fetchval(count, till.shop.tenant.id) == 1

    orders = await asyncio.gather(*(till.confirmed() for _ in range(3)))
    for path, operation, event in (
        ("capture", "capture_payment", "Captured"),
        ("refunds", "refund_payment", "Refunded"),
    ):
        paths = [f"/payments/{one['payment_id']}/{path}" for one in orders]
        await _lost(till, tills.api_eater, rf"{operation}\.plan", paths[0])
        await _lost(till, tills.worker_eater, f"Payment{event}", paths[1])
        answered = await _lost(till, tills.api_eater, rf"{operation}(?!\.plan)", paths[2])
        assert answered.headers["Idempotent-Replayed"] == "true"
    for one in orders:
        [intent] = await till.at_provider(one)
        assert (intent.captured, intent.refunded) == (_PRICE_MINOR, _PRICE_MINOR)
        await _happened_once(till, one)


async def _lost(till: Till, eater: CommitEater, said: str, path: str, *, body: object = None) -> httpx.Response:
    """The answer in the end, where that to a COMMIT after this was said is lost on the way."""
    before = eater.eaten
    eater.eat_after(said.encode())
    answer = await till.insist(path, body or {}, key=f"lost {path} {said}")
    await eventually(partial(_eaten, eater), lambda eaten: eaten == before + 1, within_seconds=WAIT_SECONDS)
    return answer


async def _eaten(eater: CommitEater) -> int:
    return eater.eaten


async def _happened_once(till: Till, placed: dict[str, Any]) -> None:
    """One capture and one refund in the order's story, whoever tells it."""
    story = [one["type"] for one in await till.timeline(placed)]
    assert (story.count("PaymentCaptured"), story.count("PaymentRefunded")) == (1, 1), story
