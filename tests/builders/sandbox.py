"""The sandbox provider in a process of its own, told to misbehave, and its ledger looked at."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec

from operations.servers.ports import choose_port
from tests.eventually import eventually
from write_side.payments.providers import signed_header

KEY = "sk_sandbox_of_the_tests"
CALLBACK_SECRET = "whsec_of_the_tests"  # noqa: S105 - of a sandbox
VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"
_END_TIMEOUT_SECONDS = 30.0


def event(*, marks: Mapping[str, str], **changes: object) -> bytes:
    """What the provider says when something was captured that bears our marks."""
    said = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": int(time.time())}
    return msgspec.json.encode({**said, "data": {"object": {"metadata": marks}}, **changes})


def signed(body: bytes, *, secret: str = CALLBACK_SECRET, seconds_ago: int = 0) -> dict[str, str]:
    """The header that vouches for it."""
    return dict([signed_header(secret=secret, timestamp=int(time.time()) - seconds_ago, body=body)])


class ProviderIntent(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the provider's own ledger has it."""

    id: str
    status: str
    amount: int
    captured: int
    refunded: int
    fee: int
    currency: str
    metadata: dict[str, str]

    @property
    def net(self) -> int:
        """What the buyer is down by for good."""
        return self.captured - self.refunded

    @property
    def held(self) -> int:
        """What the buyer cannot spend."""
        return self.amount if self.status == "requires_capture" else 0

    @property
    def payment_id(self) -> str:
        """Ours."""
        return self.metadata["shelfwise_payment"]


class Sandbox:
    """A running sandbox."""

    def __init__(self, *, port: int, client: httpx.AsyncClient) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._client = client

    async def misbehave(self, way: str, *, on: str = "any", times: int = 1, seconds: float = 0.0) -> None:
        """Do something wrong, so often."""
        fault = {"on": on, "way": way, "times": times, "seconds": seconds}
        (await self._client.post(f"{self.url}/sandbox/faults", json=fault)).raise_for_status()

    async def behave(self) -> None:
        """From now on."""
        (await self._client.delete(f"{self.url}/sandbox/faults")).raise_for_status()

    async def let_go(self, intent_id: str) -> None:
        """Hold no longer what it holds for us, of its own accord; or fail to, where it was told to fail."""
        headers = {"Idempotency-Key": f"by itself {secrets.token_hex(8)}"}
        with suppress(httpx.TimeoutException):
            await self._client.post(f"{self.url}/v1/payment_intents/{intent_id}/cancel", headers=headers)

    async def tell_latest_first(self) -> None:
        """Everything it has not told yet, now, and in the wrong order."""
        (await self._client.post(f"{self.url}/sandbox/callbacks")).raise_for_status()

    async def untold(self) -> int:
        """How many callbacks nobody has heard yet."""
        answer = (await self._client.get(f"{self.url}/sandbox/callbacks")).raise_for_status()
        return int(answer.json()["untold"])

    async def ledger(self) -> list[ProviderIntent]:
        """Everything it holds, took and gave back."""
        answer = (await self._client.get(f"{self.url}/sandbox/ledger")).raise_for_status()
        return msgspec.convert(answer.json()["intents"], list[ProviderIntent])

    async def of_store(self, tenant_id: object) -> list[ProviderIntent]:
        """Whatever it did for one store of ours."""
        query = {"store": str(tenant_id)}
        answer = (await self._client.get(f"{self.url}/sandbox/ledger", params=query)).raise_for_status()
        return msgspec.convert(answer.json()["intents"], list[ProviderIntent])

    async def of_payment(self, payment_id: object) -> list[ProviderIntent]:
        """Whatever it did for one payment of ours."""
        return [intent for intent in await self.ledger() if intent.payment_id == str(payment_id)]


@contextmanager
def sandbox_process(port: int, ledger: Path, *, callback_url: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """The process, for the block."""
    environment = {
        "SHELFWISE_SANDBOX_LEDGER": f"{ledger}",
        "SHELFWISE_SANDBOX_PORT": f"{port}",
        "SHELFWISE_PAYMENT_PROVIDER_KEY": KEY,
        "SHELFWISE_PAYMENT_CALLBACK_SECRET": CALLBACK_SECRET,
        "SHELFWISE_SANDBOX_CALLBACK_URL": callback_url,
        "SHELFWISE_LOG_LEVEL": "warning",
        "SHELFWISE_PARENT_PID": f"{os.getpid()}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "operations.sandbox_provider"], env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(_END_TIMEOUT_SECONDS)


@asynccontextmanager
async def open_sandbox(*, callback_url: str = "") -> AsyncIterator[Sandbox]:
    """A sandbox with an empty ledger, ready."""
    port = choose_port(None)
    with tempfile.TemporaryDirectory(prefix="shelfwise-sandbox-") as folder:
        ledger = Path(folder) / "ledger.sqlite"
        with sandbox_process(port, ledger, callback_url=callback_url):
            async with sandbox_at(port) as sandbox:
                yield sandbox


@asynccontextmanager
async def sandbox_at(port: int) -> AsyncIterator[Sandbox]:
    """The one whose process listens there, once it does."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(headers=headers, timeout=5, trust_env=False) as client:
        await eventually(lambda: _is_ready(client, port), bool, within_seconds=60)
        yield Sandbox(port=port, client=client)


async def _is_ready(client: httpx.AsyncClient, port: int) -> bool:
    with suppress(httpx.TransportError):
        answer: Any = await client.get(f"http://127.0.0.1:{port}/health/ready")
        return bool(answer.status_code == 200)
    return False
