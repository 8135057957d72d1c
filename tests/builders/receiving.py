"""A receiver of webhooks that speaks real HTTP: it remembers what it got and answers what it is told to."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and when it came."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        """The message's."""
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: str) -> bool:
        """As Standard Webhooks says a receiver should look."""
        signed = b".".join((self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


class Receiver:
    """Answers with `status`; hangs where that is None."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.more_fields = ""
        self.received: list[Received] = []
        self.port = 0
        self.open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks?of=shelfwise"

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        self.open.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            headers = {name.lower(): value for name, value in fields.items()}
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append(Received(headers=headers, body=body, at=time.monotonic()))
            if self.status is None:
                await reader.read()
            else:
                answer = f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n{self.more_fields}\r\n"
                writer.write(answer.encode())
                await writer.drain()
        self.open.discard(writer)
        writer.close()


@asynccontextmanager
async def receiver(status: int | None = 204) -> AsyncIterator[Receiver]:
    """A receiver for as long as the block."""
    opened = Receiver(status)
    server = await asyncio.start_server(opened.converse, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        for writer in list(opened.open):
            writer.transport.abort()
        await server.wait_closed()
