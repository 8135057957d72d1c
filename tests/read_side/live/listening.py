"""A client of a stream, in the test's own loop: it reads at its own pace, and leaves when it likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared_kernel.http.app_factory import Application

_PATIENCE_SECONDS = 60.0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser would dispatch, or the id that it would keep."""

    name: str
    id: str | None
    data: Any  # JSON

    @property
    def revision(self) -> int:
        """Of a topic with one view: the third part of what is opaque to clients."""
        return int(str(self.data["revision"]).split(".")[2])


class Listening:
    """One request to `/live`, and what comes of it."""

    def __init__(self, app: Application, path: str, headers: Mapping[str, str], method: str = "GET") -> None:
        self._app = app
        self._path = path
        self._headers = headers
        self._method = method
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._leaves = asyncio.Event()
        self._asked = False
        self._text = b""
        self.takes = asyncio.Event()
        """Cleared, the client takes nothing."""
        self.takes.set()
        self.task = asyncio.create_task(self._run())
        self.status = 0
        self.fields: dict[str, str] = {}

    async def begin(self) -> None:
        """Until the answer has begun."""
        start = await self._message()
        self.status = start["status"]
        self.fields = {name.decode(): value.decode() for name, value in start["headers"]}

    async def event(self) -> Event:
        """The next one, without comments."""
        while True:  # bounded by the patience for each message
            block = await self._block()
            lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith((":", "retry")))
            if "data" in lines:
                return Event(name=lines["event"], id=lines.get("id"), data=json.loads(lines["data"]))

    async def silent_id(self) -> str:
        """The next id that comes without an event."""
        while True:  # bounded as above
            lines = (await self._block()).split("\n")
            ids = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
            if ids and not any(line.startswith("data") for line in lines):
                return ids[0]

    async def body(self) -> bytes:
        """All of it, where it is no stream."""
        while (message := await self._message()).get("more_body"):
            self._text += message["body"]
        return self._text + bytes(message["body"])

    async def over(self) -> None:
        """Until the application has done with it."""
        await asyncio.wait_for(asyncio.wait({self.task}), _PATIENCE_SECONDS)

    async def leave(self) -> None:
        """As a browser does whose tab is closed."""
        self._leaves.set()
        await self.over()

    async def _block(self) -> str:
        while b"\n\n" not in self._text:
            message = await self._message()
            self._text += message["body"]
            assert message["more_body"] or b"\n\n" in self._text, "the stream has ended"
        block, _, self._text = self._text.partition(b"\n\n")
        return block.decode()

    async def _message(self) -> Any:  # noqa: ANN401 - of ASGI
        return await asyncio.wait_for(self._messages.get(), _PATIENCE_SECONDS)

    async def _run(self) -> None:
        parts = urlsplit(self._path)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "root_path": "",
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in self._headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("api.test", 80),
        }
        await self._app(scope, self._receive, self._send)  # type: ignore[arg-type]  # the same ASGI in other words

    async def _receive(self) -> Any:  # noqa: ANN401 - of ASGI
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:  # noqa: ANN401 - of ASGI
        await self.takes.wait()
        await self._messages.put(message)


@asynccontextmanager
async def listening(
    app: Application, views: str, key: str, *, seconds: int | None = None, **headers: str
) -> AsyncIterator[Listening]:
    """A client that has the beginning of its answer; header names are written with underscores."""
    fields = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): text for name, text in headers.items()}}
    query = f"views={views}" if seconds is None else f"views={views}&seconds={seconds}"
    client = Listening(app, f"/api/v1/live?{query}", fields)
    try:
        await client.begin()
        yield client
    finally:
        client.takes.set()
        await client.leave()
