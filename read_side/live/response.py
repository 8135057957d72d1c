"""Writing a stream: at the client's pace, until it leaves, takes nothing any more, or the stream ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any, Final, cast

import structlog
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.response.streaming import Stream as StreamResponse
from litestar.types import Receive, Scope, Send

from read_side.live.stream import Stream
from shared_kernel.http.exchange import EVENT_STREAM

_FIELDS: Final = {
    "Cache-Control": "no-store",
    # nginx, and whoever does as it does, would gather events before passing them on.
    "X-Accel-Buffering": "no",
}
_LAST_WORD_SECONDS: Final = 1.0

log = structlog.get_logger(component="live")


class LiveResponse(StreamResponse):
    """Litestar's streaming response, but for what it does about a client that is slow or gone."""

    def __init__(
        self,
        stream: Stream,
        *,
        leave: Callable[[], None],
        write_seconds: float,
        headers: dict[str, str],
    ) -> None:
        """Prepare.

        Args:
            stream: what to write.
            leave: called in any case, once it is over.
            write_seconds: that a client may take for one frame.
            headers: beside a stream's own.
        """
        super().__init__(stream.frames(), media_type=EVENT_STREAM, headers={**headers, **_FIELDS})
        self._told_to_end = stream.told_to_end
        self._leave = leave
        self._write_seconds = write_seconds

    def to_asgi_response(self, app: Any, request: Any, **options: Any) -> ASGIResponse:  # noqa: ANN401, ARG002  # Litestar's own, passed on
        """As Litestar asks for it."""
        response = _Writing(
            iterator=cast("AsyncIterator[bytes]", self.iterator),
            content_length=0,
            headers={**(options.get("headers") or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code or options.get("status_code"),
        )
        response.told_to_end = self._told_to_end
        response.leave, response.write_seconds = self._leave, self._write_seconds
        return response


class _Writing(ASGIStreamingResponse):
    told_to_end: asyncio.Event
    leave: Callable[[], None]
    write_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.leave()

    async def send_body(self, send: Send, receive: Receive) -> None:
        writing = asyncio.ensure_future(self._write(send))
        tasks = {writing, asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(_late(self.told_to_end))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not writing.cancelled():
            writing.result()

    async def _write(self, send: Send) -> None:
        try:
            async with aclosing(cast("Any", self.iterator)) as frames:
                async for frame in frames:
                    async with asyncio.timeout(self.write_seconds):
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
            async with asyncio.timeout(self.write_seconds):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("live_client_takes_nothing", seconds=self.write_seconds)
        except OSError as error:
            log.debug("live_client_gone", reason=type(error).__name__)


async def _gone(receive: Receive) -> None:
    # Bounded by what a client may send with a GET: its empty body, and then that it leaves.
    with suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass


async def _late(told_to_end: asyncio.Event) -> None:
    """When the last word has had its time: a process that ends waits for nobody who takes nothing."""
    await told_to_end.wait()
    await asyncio.sleep(_LAST_WORD_SECONDS)
