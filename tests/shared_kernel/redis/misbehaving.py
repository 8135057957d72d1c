"""Servers of our own, among them such as shake hands like Redis and then misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CLOSING_SECONDS = 10.0


@asynccontextmanager
async def serving(behave: Behaviour, *, path: Path | None = None) -> AsyncIterator[str]:
    """Serve every connection with `behave`, on a port or at a path; yields the URL.

    Leaving waits until every connection is closed, which `behave` sees to once its client has left.
    """
    handlers: set[asyncio.Future[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        finished = asyncio.get_running_loop().create_future()
        handlers.add(finished)
        # The client has left: that is what some of these tests are about.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await behave(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        finished.set_result(None)

    if path is None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(connected, path)
        url = f"unix://{path}"
    async with server:
        yield url
        server.close()
        async with asyncio.timeout(_CLOSING_SECONDS):
            await asyncio.gather(*handlers)


@asynccontextmanager
async def misbehaving(behave: Behaviour) -> AsyncIterator[str]:
    """Serve with any behaviour after the handshake; yields the URL."""

    async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_command(reader)
        writer.write(b"+OK\r\n")
        await behave(reader, writer)

    async with serving(shake_hands) as url:
        yield url


async def read_command(reader: asyncio.StreamReader) -> list[bytes]:
    """Read one command as clients send it: an array of bulk strings."""
    count = int((await reader.readuntil(b"\r\n"))[1:])
    words = []
    for _ in range(count):
        size = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(size + 2))[:-2])
    return words
