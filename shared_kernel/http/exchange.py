"""One request and its answer, as the outer door sees them go by."""

import time
from collections.abc import Callable
from typing import Final

from litestar.types import HTTPResponseStartEvent, HTTPScope, HTTPSendMessage, Message, Send

from shared_kernel.http.context import RequestContext
from shared_kernel.http.cors import RawHeaders, response_headers
from shared_kernel.observability.metrics import UNMATCHED

CLIENT_GONE_STATUS: Final = 499
"""No answer was started; what nginx logs for it."""
EXCHANGE_KEY: Final = "shelfwise.exchange"
"""Where those behind the outer door find the exchange in the scope."""
EVENT_STREAM: Final = "text/event-stream"
_EVENTS: Final = EVENT_STREAM.encode()
_LISTS: Final = frozenset({b"accept", b"accept-encoding", b"if-none-match", b"x-forwarded-for"})


class RequestHeaders:
    """A request's fields by name: those that are lists joined (RFC 9110, section 5.3), of the others the last."""

    __slots__ = ("_fields", "get", "has_repeated")

    def __init__(self, scope: HTTPScope) -> None:
        headers = scope["headers"]
        self._fields: dict[bytes, bytes] = dict(headers)
        self.get = self._fields.get
        """The field, or None without it; names are in lower case."""
        self.has_repeated = len(self._fields) != len(list(headers))
        if self.has_repeated:
            for name in _LISTS & self._fields.keys():
                self._fields[name] = b",".join(value for other, value in headers if other == name)

    def __contains__(self, name: bytes) -> bool:
        return name in self._fields


def _nothing() -> None:
    """What follows where nobody wants to know."""


class Exchange:
    """Adds to the answer what every answer has, and remembers what is logged and counted of it."""

    __slots__ = (
        "_on_stream",
        "_send",
        "_started_at",
        "context",
        "headers",
        "method",
        "opened_after_seconds",
        "position",
        "scope",
        "status",
    )

    def __init__(self, scope: HTTPScope, send: Send, *, on_stream: Callable[[], None] = _nothing) -> None:
        """Begin; `on_stream` is called once where the answer turns out to be a stream of events."""
        self._started_at = time.perf_counter()
        self._send = send
        self._on_stream = on_stream
        self.opened_after_seconds: float | None = None
        """When the stream began, where the answer is one: it may last for as long as its client likes."""
        self.headers = RequestHeaders(scope)
        self.context = RequestContext(self.headers.get(b"x-request-id"), self.headers.get(b"traceparent"))
        self.method: str = scope["method"]
        self.scope = scope
        if self.method == "HEAD":
            self.scope = scope.copy()
            self.scope["method"] = "GET"
        self.scope[EXCHANGE_KEY] = self  # type: ignore[typeddict-unknown-key]  # a scope is an open dictionary (ASGI)
        self.status = 0
        self.position: int | None = None

    @property
    def route(self) -> str:
        """The route's template, with few values; the path has as many as anybody likes."""
        return self.scope.get("path_template") or UNMATCHED

    @property
    def duration_seconds(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self._started_at

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            message = self._completed(message)
        elif self.method == "HEAD" and message["type"] == "http.response.body":
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        await self._send(message)

    async def answer(self, status: int, headers: RawHeaders, body: bytes, *, position: int) -> None:
        """A whole answer to a GET, from whoever composes its messages without Litestar.

        Args:
            headers: with everything but what every answer has; the list is the exchange's from now on.
            position: that the answer tells.
        """
        self.status, self.position = status, position
        await self._send({"type": "http.response.start", "status": status, "headers": self._with_own(headers)})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _completed(self, message: HTTPResponseStartEvent) -> HTTPSendMessage:
        self.status = message["status"]
        headers = [*message["headers"]]
        for index, (name, value) in enumerate(headers):
            if name == b"shelfwise-position":
                self.position = int(value)
            elif name == b"allow":
                headers[index] = (name, _with_head(value))
            elif name == b"content-type" and value.startswith(_EVENTS):
                self.opened_after_seconds = self.duration_seconds
                self._on_stream()
        return {"type": "http.response.start", "status": self.status, "headers": self._with_own(headers)}

    def _with_own(self, headers: RawHeaders) -> RawHeaders:
        headers.append((b"x-request-id", self.context.request_id.encode("ascii")))
        origin = self.headers.get(b"origin")
        if origin is not None:
            headers += response_headers(origin, self.context.principal)
        return headers


def _with_head(allow: bytes) -> bytes:
    """Where GET is allowed, HEAD is: it is answered here, and the router does not know of it."""
    methods = {method.strip() for method in allow.split(b",")} - {b""}
    return b", ".join(sorted(methods | {b"HEAD"} if b"GET" in methods else methods))
