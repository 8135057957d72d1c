"""One look a second for everybody who watches: a stream of overviews, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec
import structlog

from operations.projecting.overview import Overview
from shared_kernel.database.outages import OUTAGES
from shared_kernel.errors import UnavailableError
from shared_kernel.http.health import Draining

Look = Callable[[], Awaitable[Overview]]

INTERVAL_SECONDS: Final = 1.0
_MAX_STREAMS: Final = 64
"""More consoles than there are operators; each holds one of the process's places for requests."""
_MAX_STREAM_SECONDS: Final = 15.0
"""A browser comes back by itself, and shows its key again when it does. A server that is told to end waits for what is
open, and does not tell us: this is the longest it may have to."""
_LOOK_SECONDS: Final = 8.0
_AWAY: Final[tuple[type[Exception], ...]] = (*OUTAGES, UnavailableError, TimeoutError, OSError)
_COME_BACK = b"retry: 250\n\n"

log = structlog.get_logger(component="live")


class TooManyStreams(UnavailableError):
    """As many consoles are open as this process serves (503)."""

    code = "too_many_streams"


class LiveOverview:
    """Looks only while somebody watches, and once for all of them."""

    def __init__(self, look: Look, *, draining: Draining, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._look = look
        self._draining = draining
        self._interval_seconds = interval_seconds
        self._watching = 0
        self._frame: bytes | None = None
        self._number = 0
        self._news = asyncio.Condition()
        self._looking: asyncio.Task[None] | None = None

    @property
    def watching(self) -> int:
        """How many streams are open."""
        return self._watching

    def stream(self) -> AsyncIterator[bytes]:
        """The frames, from the newest on, until the client leaves, the process ends or the time is up.

        Raises:
            TooManyStreams: there are enough.
        """
        if self._watching >= _MAX_STREAMS:
            raise TooManyStreams("too many consoles are open; close one, or try again later", retry_after_seconds=30)
        return self._frames()

    async def aclose(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking}, timeout=1.0)

    async def _frames(self) -> AsyncIterator[bytes]:
        self._watching += 1
        ends_at = asyncio.get_running_loop().time() + _MAX_STREAM_SECONDS
        seen = 0
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._keep_looking(), name="live")
            yield _COME_BACK
            while not self._draining.is_on and asyncio.get_running_loop().time() < ends_at:
                async with self._news:
                    if self._number == seen:
                        await asyncio.wait_for(self._news.wait(), timeout=_LOOK_SECONDS * 2)
                    seen, frame = self._number, self._frame
                if frame is not None:
                    yield frame
        except TimeoutError:
            log.warning("live_stood_still")
        finally:
            self._watching -= 1

    async def _keep_looking(self) -> None:
        while self._watching and not self._draining.is_on:
            frame = await self._one_frame()
            async with self._news:
                self._frame, self._number = frame, self._number + 1
                self._news.notify_all()
            await asyncio.sleep(self._interval_seconds)

    async def _one_frame(self) -> bytes:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                overview = await self._look()
        except _AWAY as error:
            # Said, not hidden: a console that shows the last figures as if they were new would lie.
            return b'event: away\ndata: {"reason":"%b"}\n\n' % type(error).__name__.encode()
        return b"event: overview\ndata: %b\n\n" % msgspec.json.encode(overview)
