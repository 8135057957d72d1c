"""HTTP as Stripe speaks it: forms, a key per request, a bound on every wait and on every body."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx
import msgspec

_API_VERSION: Final = "2024-06-20"
"""The words of this folder are those of this version."""
_LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=30.0)
_MAX_BODY_BYTES: Final = 1024 * 1024


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A status and a whole body."""

    status: int
    body: bytes


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """No answer, or only a part of one: the request may have arrived."""

    why: str


class Client:
    """One provider, asked over pooled connections."""

    def __init__(self, http: httpx.AsyncClient, *, answer_seconds: float) -> None:
        self._http = http
        self._answer_seconds = answer_seconds

    async def post(self, path: str, form: Mapping[str, str], *, idempotency_key: str) -> Said | Silence:
        """Ask for something to be done."""
        return await self._ask("POST", path, form=form, headers={"Idempotency-Key": idempotency_key})

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Said | Silence:
        """Ask what there is."""
        return await self._ask("GET", path, query=query)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Said | Silence:
        try:
            # httpx bounds each wait for some bytes; whoever sends a byte at a time is bounded here.
            async with (
                asyncio.timeout(self._answer_seconds),
                self._http.stream(method, path, data=form, params=query, headers=headers) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_BODY_BYTES:
                        return Silence(why="the answer is too large")
                return Said(status=response.status_code, body=bytes(body))
        except (httpx.HTTPError, TimeoutError) as error:
            # The error's text may hold the URL; its type says enough.
            return Silence(why=type(error).__name__)


@asynccontextmanager
async def open_client(*, url: str, key: str, timeout_seconds: float) -> AsyncIterator[Client]:
    """A client of the API at a URL, for the block.

    Args:
        timeout_seconds: for a whole answer; a connection has to be there sooner.
    """
    timeout = httpx.Timeout(connect=2.0, read=timeout_seconds, write=5.0, pool=2.0)
    headers = {"Authorization": f"Bearer {key}", "Stripe-Version": _API_VERSION}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=timeout, limits=_LIMITS, follow_redirects=False, trust_env=False
    ) as http:
        yield Client(http, answer_seconds=timeout_seconds)
