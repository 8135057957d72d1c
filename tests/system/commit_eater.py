"""A TCP proxy before PostgreSQL that lets a COMMIT through and eats its answer, for processes of their own."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

_BEGIN = b"BEGIN"
_COMMIT = b"COMMIT\x00"
_CHUNK_BYTES = 1 << 20
_KEPT_BYTES = 1 << 18
"""Of a transaction's statements; the longest here has a hundredth of it."""
_END_SECONDS = 10.0


class CommitEater:
    """Breaks a connection instead of handing on the answer to its COMMIT, once each time it is told to."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._port = 0
        self._appetite: re.Pattern[bytes] | None = None
        self.eaten = 0

    @property
    def url(self) -> str:
        """The same server, through this."""
        login = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    def eat_after(self, said: bytes) -> None:
        """Eat the next answer to a COMMIT of a transaction in which this was said, a regular expression."""
        self._appetite = re.compile(said)

    async def listen(self) -> asyncio.Server:
        """Begin."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away_reader, away_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        answering = asyncio.create_task(_pump(away_reader, writer))
        said = b""
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                said = chunk if _BEGIN in chunk else (said + chunk)[-_KEPT_BYTES:]
                is_last = _COMMIT in chunk and self._wants(said)
                if is_last:
                    answering.cancel()
                    await asyncio.wait({answering})
                away_writer.write(chunk)
                await away_writer.drain()
                if is_last:
                    await away_reader.read(1)  # it has committed by the time it answers
                    self.eaten += 1
                    return
        except OSError:
            return
        finally:
            answering.cancel()
            writer.transport.abort()
            away_writer.close()

    def _wants(self, said: bytes) -> bool:
        if self._appetite is None or not self._appetite.search(said):
            return False
        self._appetite = None
        return True


@contextmanager
def eating_commits(url: str) -> Iterator[CommitEater]:
    """The proxy, for the block, in a thread: tests that come and go have loops of their own."""
    eater, loop = CommitEater(url), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="commit-eater", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(eater.listen(), loop).result(_END_SECONDS)
    try:
        yield eater
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(_END_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_SECONDS)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    writer.close()
