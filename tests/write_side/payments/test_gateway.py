"""The adapter against the sandbox: what the provider does, loses, mangles and repeats, in our words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shared_kernel.identifiers import new_id
from tests.builders.sandbox import DECLINED, KEY, VISA, Sandbox
from write_side.payments.gateway import (
    Absent,
    Authorized,
    Captured,
    Declined,
    Errand,
    Malformed,
    PaymentGateway,
    Refunded,
    Secret,
    Unknown,
    Voided,
)
from write_side.payments.providers import payment_gateway


@pytest.fixture
async def gateway(sandbox: Sandbox) -> AsyncIterator[PaymentGateway]:
    """An impatient one."""
    async with payment_gateway(url=sandbox.url, key=KEY, timeout_seconds=0.6) as opened:
        yield opened


def authorization(token: str = VISA, **changes: Any) -> Errand:  # noqa: ANN401 - fields of any type
    """An errand that nobody has run."""
    errand = Errand(
        tenant_id=new_id(),
        operation_id=new_id(),
        payment_id=new_id(),
        order_id=new_id(),
        kind="authorize",
        amount_minor=1299,
        held_minor=0,
        currency="GBP",
        attempts=1,
        lease_epoch=1,
        requested_by="test",
        deadline_at=datetime.now(UTC) + timedelta(hours=1),
        token=Secret(text=token),
    )
    return msgspec.structs.replace(errand, **changes)


def following(errand: Errand, reference: str, **changes: Any) -> Errand:  # noqa: ANN401 - fields of any type
    """Another errand for the same payment."""
    return msgspec.structs.replace(errand, operation_id=new_id(), reference=reference, token=None, **changes)


async def authorized(gateway: PaymentGateway) -> tuple[Errand, str]:
    """An errand that was run, and what the provider calls its payment."""
    errand = authorization()
    result = await gateway.perform(errand)
    assert isinstance(result, Authorized)
    return errand, result.reference


async def test_half_a_request_asks_for_nothing(gateway: PaymentGateway, sandbox: Sandbox) -> None:
    """Who died while saying what it wanted is found to have asked for nothing, and can ask again under the same key."""
    errand = authorization()
    port = int(sandbox.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/payment_intents HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}Idempotency-Key: {errand.key}\r\nContent-Length: 100\r\n\r\namount=12".encode())
    await writer.drain()
    writer.write_eof()
    await asyncio.wait_for(reader.read(), timeout=60)
    writer.close()
    assert isinstance(await gateway.perform(errand), Authorized)
    assert len(await sandbox.of_payment(errand.payment_id)) == 1


async def test_a_payment_is_held_taken_and_given_back(gateway: PaymentGateway, sandbox: Sandbox) -> None:
    """Each once, however often it is asked for; and looked up, each is found."""
    errand, reference = await authorized(gateway)
    assert await gateway.perform(errand) == Authorized(reference=reference)
    assert await gateway.look_up(errand) == Authorized(reference=reference)
    capture = following(errand, reference, kind="capture", amount_minor=1000)
    assert await gateway.look_up(capture) == Absent()
    for _ in range(2):
        assert await gateway.perform(capture) == Captured(amount_minor=1000, fee_minor=34)
    assert await gateway.look_up(capture) == Captured(amount_minor=1000, fee_minor=34)
    refund = following(errand, reference, kind="refund", amount_minor=400)
    assert await gateway.look_up(refund) == Absent()
    for _ in range(2):
        assert await gateway.perform(refund) == Refunded(amount_minor=400)
    assert await gateway.look_up(refund) == Refunded(amount_minor=400)
    [intent] = await sandbox.of_payment(errand.payment_id)
    assert (intent.captured, intent.refunded) == (1000, 400)


async def test_what_is_held_is_let_go_once(gateway: PaymentGateway) -> None:
    """Also under another key: the provider says that it was done, not that it cannot be."""
    errand, reference = await authorized(gateway)
    void = following(errand, reference, kind="void")
    assert await gateway.look_up(void) == Absent()
    assert await gateway.perform(void) == Voided()
    assert await gateway.perform(msgspec.structs.replace(void, operation_id=new_id())) == Voided()
    too_late = following(errand, reference, kind="capture")
    assert await gateway.perform(too_late) == Declined(reason="too_late")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (DECLINED, "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
    ],
)
async def test_a_decline_says_why_in_our_words(gateway: PaymentGateway, token: str, reason: str) -> None:
    """Asked, asked again, and looked up."""
    errand = authorization(token)
    results = [await gateway.perform(errand), await gateway.perform(errand), await gateway.look_up(errand)]
    assert [getattr(result, "reason", result) for result in results] == [reason] * 3


@pytest.mark.parametrize("way", ["hang_after", "fail_after"])
async def test_a_charge_whose_answer_was_lost_is_found(gateway: PaymentGateway, sandbox: Sandbox, way: str) -> None:
    """By looking; and there is one."""
    await sandbox.misbehave(way, on="authorize", seconds=1.0)
    errand = authorization()
    assert isinstance(await gateway.perform(errand), Unknown)
    assert isinstance(await gateway.look_up(errand), Authorized)
    assert len(await sandbox.of_payment(errand.payment_id)) == 1


async def test_an_error_before_the_charge_leaves_none(gateway: PaymentGateway, sandbox: Sandbox) -> None:
    """Unknown, then known to be absent, then done by asking again with the same key."""
    await sandbox.misbehave("fail_before", on="authorize")
    errand = authorization()
    assert isinstance(await gateway.perform(errand), Unknown)
    assert await gateway.look_up(errand) == Absent()
    assert isinstance(await gateway.perform(errand), Authorized)


@pytest.mark.parametrize("way", ["html", "rename_field"])
async def test_a_mangled_answer_is_put_aside_and_never_guessed_at(
    gateway: PaymentGateway, sandbox: Sandbox, way: str
) -> None:
    """Its shape is kept, not its values; what it was about is asked again."""
    await sandbox.misbehave(way, on="authorize")
    errand = authorization()
    mangled = await gateway.perform(errand)
    assert isinstance(mangled, Malformed)
    assert len(mangled.digest) == 64
    assert str(errand.operation_id) not in mangled.outline
    assert "1299" not in mangled.outline
    assert isinstance(await gateway.look_up(errand), Authorized)


async def test_nobody_there_is_unknown() -> None:
    """Refused connections too: another process may be where it was."""
    async with payment_gateway(url="http://127.0.0.1:1", key=KEY) as gateway:
        assert isinstance(await gateway.perform(authorization()), Unknown)
        assert isinstance(await gateway.look_up(authorization()), Unknown)


async def test_a_wrong_key_of_ours_concludes_nothing(sandbox: Sandbox) -> None:
    """It is our mistake, and says nothing about the payment."""
    async with payment_gateway(url=sandbox.url, key="sk_wrong") as gateway:
        assert isinstance(await gateway.perform(authorization()), Unknown)


def test_a_token_shows_itself_to_nobody() -> None:
    """Neither in a log line nor in a traceback."""
    assert VISA not in f"{authorization()!r}"


async def test_an_answer_that_never_ends_is_none() -> None:
    """A byte now and then keeps every single wait short: whoever asks would wait for as long as it comes."""
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with asyncio.timeout(30), payment_gateway(url=url, key=KEY, timeout_seconds=0.3) as slow:
            assert await slow.perform(authorization()) == Unknown(why="TimeoutError")
            await ended.wait()
    finally:
        server.close()
