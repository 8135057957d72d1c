"""A door between the application and a server: counts what goes in, and can be shut, opened again, or held."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards bytes both ways; `chunks` counts what clients sent, one for each flush on a quiet machine."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._hanging_up = asyncio.Event()
        self._hanging_up.set()
        self.chunks = 0

    def url(self, url: str) -> str:
        """The same URL through this door."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    async def open(self) -> None:
        """Let connections in, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections and break those there are."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._flowing.set()
        self._hanging_up.set()

    def linger(self) -> None:
        """Let last words through, and nobody hear that whoever spoke them has gone."""
        self._hanging_up.clear()

    def hold(self) -> None:
        """Let nothing through, and break nothing: a server that hangs."""
        self._flowing.clear()

    def let_go(self) -> None:
        """Let what was held, and what comes, through."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            away_reader, away_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, away_writer}
        try:
            await asyncio.gather(self._pump(reader, away_writer, count=1), self._pump(away_reader, writer, count=0))
        finally:
            self._writers -= {writer, away_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: int) -> None:
        try:
            while chunk := await reader.read(1 << 20):
                await self._flowing.wait()
                self.chunks += count
                writer.write(chunk)
            await self._hanging_up.wait()
        except OSError:
            writer.transport.abort()
        finally:
            writer.close()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """A door to the server of a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy(parts.hostname, parts.port)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.shut()
