"""One message over one connection of its own: to an address that was judged, without redirects, within bounds."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import msgspec

from write_side.webhooks.addresses import Target, is_allowed, target_of
from write_side.webhooks.places import MOST_AT_A_TIME

SEND_TIMEOUT_SECONDS: Final = 15.0
"""For all of it: resolving, connecting, sending, and the head of the answer."""
_MAX_HEAD_BYTES: Final = 16 * 1024
"""Of the answer only status and Retry-After matter; its body is not read."""
_RESOLVERS: Final = MOST_AT_A_TIME
"""Threads that may wait for name servers: as many as messages are sent at once, so that a dead one delays its own."""
_MAX_RETRY_AFTER_SECONDS: Final = 86_400

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt went: an answer's status, or why there was none."""

    status_code: int | None
    error: str | None
    duration_milliseconds: int
    retry_after_seconds: int | None = None


class _RefusedError(Exception):
    """The attempt cannot be made; says why in one word."""


class Sender:
    """Sends messages. One for a process: it owns the resolvers' threads."""

    def __init__(
        self,
        *,
        allows_loopback: bool = False,
        resolve: Resolve | None = None,
        timeout_seconds: float = SEND_TIMEOUT_SECONDS,
    ) -> None:
        self._allows_loopback = allows_loopback
        self._executor = ThreadPoolExecutor(max_workers=_RESOLVERS, thread_name_prefix="resolver")
        self._resolve = resolve or self._ask_the_system
        self._timeout_seconds = timeout_seconds
        self._tls = ssl.create_default_context()

    def close(self) -> None:
        """No name is looked up any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """POST a message; whatever happens is told, nothing is raised."""
        started_at = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status_code, retry_after_seconds = await self._exchange(url, headers, body)
        except _RefusedError as error:
            return Sent(status_code=None, error=str(error), duration_milliseconds=_since(started_at))
        except TimeoutError:
            return Sent(status_code=None, error="timeout", duration_milliseconds=_since(started_at))
        except ssl.SSLError:
            return Sent(status_code=None, error="tls", duration_milliseconds=_since(started_at))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return Sent(status_code=None, error="connection", duration_milliseconds=_since(started_at))
        return Sent(
            status_code=status_code,
            error=None,
            duration_milliseconds=_since(started_at),
            retry_after_seconds=retry_after_seconds,
        )

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, int | None]:
        try:
            target = target_of(url, allows_loopback=self._allows_loopback)
        except ValueError:
            raise _RefusedError("url_not_allowed") from None
        address = await self._address_of(target)
        # The address that was judged is the one connected to: a name that means another a moment later changes nothing.
        reader, writer = await asyncio.open_connection(
            address,
            target.port,
            limit=_MAX_HEAD_BYTES,
            ssl=self._tls if target.is_secure else None,
            server_hostname=target.host if target.is_secure else None,
        )
        try:
            writer.write(_request(target, headers, body))
            await writer.drain()
            return _read_head(await reader.readuntil(b"\r\n\r\n"))
        finally:
            writer.transport.abort()

    async def _address_of(self, target: Target) -> str:
        try:
            found = await self._resolve(target.host, target.port)
        except OSError:
            raise _RefusedError("name_not_resolved") from None
        if not found:
            raise _RefusedError("name_not_resolved")
        # One forbidden address among others is an attempt to be lucky with it.
        if not all(is_allowed(address, allows_loopback=self._allows_loopback) for address in found):
            raise _RefusedError("address_not_allowed")
        return found[0]

    async def _ask_the_system(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._executor, _look_up, host, port)
        return [str(entry[4][0]) for entry in found]


def _look_up(host: str, port: int) -> list[tuple[object, object, int, str, tuple[object, ...]]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {host}:{target.port}",
        "Connection: close",
        "User-Agent: ShelfWise-Webhooks/1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _read_head(head: bytes) -> tuple[int, int | None]:
    status_line, *fields = head.decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not code.isdigit():
        message = "no HTTP/1.1 answer"
        raise ValueError(message)
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() == "retry-after" and value.strip().isdigit():
            return int(code), min(int(value.strip()[:9]), _MAX_RETRY_AFTER_SECONDS)
    return int(code), None


def _since(started_at: float) -> int:
    return int((time.monotonic() - started_at) * 1000)
