"""The adapters, one folder a provider. Nothing outside this package knows a provider's name or its words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from write_side.payments.gateway import CallbackReader, PaymentGateway
from write_side.payments.providers.stripe.callbacks import HEADER, StripeCallbacks, signature
from write_side.payments.providers.stripe.client import open_client
from write_side.payments.providers.stripe.gateway import StripeGateway

NOBODY: Final = "http://127.0.0.1:9"
"""Where no provider is (the port of RFC 863, which discards)."""


@asynccontextmanager
async def payment_gateway(*, url: str, key: str, timeout_seconds: float = 10.0) -> AsyncIterator[PaymentGateway]:
    """The provider at a URL, for the block; nothing is asked before the first errand."""
    async with open_client(url=url, key=key, timeout_seconds=timeout_seconds) as client:
        yield StripeGateway(client)


def callback_reader(*, secret: str) -> CallbackReader:
    """Who reads callbacks signed with this secret."""
    return StripeCallbacks(secret=secret)


def signed_header(*, secret: str, timestamp: int, body: bytes) -> tuple[str, str]:
    """Name and value of the header that vouches for a callback: for whoever plays the provider."""
    return HEADER, f"t={timestamp},v1={signature(secret.encode(), f'{timestamp}', body)}"
