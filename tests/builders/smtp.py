"""An SMTP server: as much of one as a mail takes, and told what to answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Smtp:
    """Answers recipients with a code, and senders; keeps what it took."""

    def __init__(self, code: int) -> None:
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
            if verb == b"EHLO":
                writer.write(b"250-here\r\n250 AUTH PLAIN\r\n")
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


@asynccontextmanager
async def smtp(code: int = 250) -> AsyncIterator[tuple[Smtp, str]]:
    """A server and its URL."""
    opened = Smtp(code)
    server = await asyncio.start_server(opened.converse, "127.0.0.1", 0)
    try:
        yield opened, f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
