"""A small HTTP/1.1 client for steady rates: a few kept connections, no framework whose time would be measured too."""

import asyncio
from types import TracebackType
from typing import Self

from benchmarks.load.generator import content_length
from benchmarks.load.plan import request

_FIRST_BAD_STATUS = 300
_TIMEOUT_SECONDS = 20.0


class AnswerFailed(Exception):
    """A status of 300 or more; the message has the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class WireClient:
    """Asks over at most so many connections; who comes when all are busy waits."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._limit = connections
        self._idle: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        """Connect."""
        for _ in range(self._limit):
            self._idle.put_nowait(await self._connect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._idle.empty():
            _, writer = self._idle.get_nowait()
            writer.close()

    async def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[dict[str, str], bytes]:
        """The answer's fields, their names in lower case, and its body.

        Raises:
            AnswerFailed: it is not a success.
        """
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await self._idle.get()
            try:
                if reader.at_eof():  # the server closes what has been idle for long
                    writer.close()
                    reader, writer = await self._connect()
                writer.write(request(method, target, headers=headers, body=body))
                head = await reader.readuntil(b"\r\n\r\n")
                answer = await reader.readexactly(content_length(head[:-2]))
            finally:
                self._idle.put_nowait((reader, writer))
        status = int(head[9:12])
        if status >= _FIRST_BAD_STATUS:
            raise AnswerFailed(status, f"{method} {target}: {head!r} {answer[:500]!r}")
        pairs = (line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:-2])
        return {name.lower(): value for name, value in pairs}, answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)
