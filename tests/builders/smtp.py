"""An SMTP server: as much of one as a mail takes, within TLS or not, and told what to answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_END_SECONDS = 10.0


class Smtp:
    """Answers recipients with a code, and senders; keeps what it took."""

    def __init__(self, code: int, *, offers: ssl.SSLContext | None = None) -> None:
        self._offers = offers
        self.code = code
        self.code_of_sender = 250
        self.taken: list[bytes] = []
        self.verbs: list[bytes] = []
        self.envelopes: list[bytes] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            self.verbs.append(verb)
            if verb in {b"EHLO", b"STAR"}:
                await self._greet(verb, writer)
            elif verb == b"AUTH":
                writer.write(b"235 come in\r\n")
            elif verb == b"RCPT":
                self.envelopes.append(line.strip().partition(b":")[2])
                writer.write(b"%d told\r\n" % self.code)
            elif verb == b"MAIL":
                writer.write(b"%d told\r\n" % self.code_of_sender)
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.taken.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            else:
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 well\r\n")
            await writer.drain()
            if verb == b"QUIT":
                break
        writer.close()
        await writer.wait_closed()

    async def _greet(self, verb: bytes, writer: asyncio.StreamWriter) -> None:
        if verb == b"EHLO":
            writer.write(b"250-here\r\n" + (b"250-STARTTLS\r\n" if self._offers else b"") + b"250 AUTH PLAIN\r\n")
        elif self._offers is None:
            writer.write(b"502 not here\r\n")
        else:
            writer.write(b"220 go on\r\n")
            await writer.drain()
            await writer.start_tls(self._offers)


@asynccontextmanager
async def smtp(
    code: int = 250, *, offers: ssl.SSLContext | None = None, within: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Smtp, str]]:
    """A server and its URL.

    Args:
        offers: what STARTTLS begins.
        within: of a server that speaks nothing but TLS.
    """
    opened = Smtp(code, offers=offers)
    sessions: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        sessions.add(session)
        with suppress(OSError):  # a client that does not trust the certificate leaves in the middle of the handshake
            if within is not None:
                await writer.start_tls(within)
            await opened.converse(reader, writer)

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield opened, f"smtp{'s' if within else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        if sessions:
            await asyncio.wait(sessions, timeout=_END_SECONDS)
