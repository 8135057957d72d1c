"""The demo's receiver: what our own sender sends it is taken in, and nothing else."""

import time
from pathlib import Path
from uuid import uuid4

import httpx

from operations.demo.receiver import ONE_IN, RECEIVER_FILE, Receiver, demo_receiver
from write_side.webhooks.sending import Sender
from write_side.webhooks.signing import WebhookRules, secret_of, signatures

_RULES = WebhookRules(secret_key="a key for the tests, long enough for one")  # noqa: S106 - of a test
_TENANT, _WEBHOOK = uuid4(), uuid4()
_STORE = "harbour-books"
_BODY = b'{"type":"order.placed","data":{}}'


def _signed(message_id: str, *, at: float, body: bytes = _BODY) -> dict[str, str]:
    seconds = f"{int(at)}"
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    signature = signatures(_RULES, _TENANT, _WEBHOOK, numbers=(2, 1), signed=signed)
    return {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": signature}


async def _sent(receiver: Receiver, headers: dict[str, str]) -> int | None:
    sender = Sender(allows_loopback=True)
    try:
        return (await sender.send(receiver.url_of(_STORE), headers, _BODY)).status_code
    finally:
        sender.close()


async def test_messages_are_known_by_their_signature_and_shown(tmp_path: Path) -> None:
    """One under the older of two secrets is genuine; a recording, a forgery and a stranger's are not, and not shown."""
    now = time.time()
    with demo_receiver(tmp_path) as receiver:
        assert await _sent(receiver, _signed("early", at=now)) == 401
        receiver.learn(_STORE, secret_of(_RULES, _TENANT, _WEBHOOK, 1))
        assert await _sent(receiver, _signed("good", at=now)) == 204
        assert await _sent(receiver, _signed("old", at=now - 600)) == 401
        assert await _sent(receiver, _signed("forged", at=now, body=b"{}")) == 401
        assert await _sent(receiver, {}) == 401
        (line,) = [one for one in receiver.lines().splitlines() if one.endswith(("good", "early", "old", "forged"))]
        assert line.split()[1:] == [_STORE, "order.placed", "204", "good"]


async def test_one_in_many_is_refused_once(tmp_path: Path) -> None:
    """So that a retry is to be seen; the second attempt is taken in, and shown with the first."""
    with demo_receiver(tmp_path) as receiver:
        receiver.learn(_STORE, secret_of(_RULES, _TENANT, _WEBHOOK, 2))
        names = [f"message-{number}" for number in range(ONE_IN)]
        answers = [await _sent(receiver, _signed(name, at=time.time())) for name in names]
        assert answers == [204] * (ONE_IN - 1) + [503]
        assert await _sent(receiver, _signed(names[-1], at=time.time())) == 204
        async with httpx.AsyncClient() as browser:
            shown = (await browser.get(receiver.url)).text
        assert shown.count("message-") == ONE_IN
        assert f"503 204      {names[-1]}" in shown


async def test_it_is_found_again_where_it_was(tmp_path: Path) -> None:
    """With the secrets it knew, which nobody else can read."""
    with demo_receiver(tmp_path) as first:
        first.learn(_STORE, secret_of(_RULES, _TENANT, _WEBHOOK, 1))
    assert (tmp_path / RECEIVER_FILE).stat().st_mode & 0o777 == 0o600
    with demo_receiver(tmp_path) as second:
        assert second.url == first.url
        assert await _sent(second, _signed("later", at=time.time())) == 204
