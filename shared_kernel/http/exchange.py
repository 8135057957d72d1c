"""One request and its answer, as the outer door sees them go by."""

import time

from litestar.types import HTTPResponseStartEvent, HTTPScope, HTTPSendMessage, Message, Send

from shared_kernel.access.principals import Principal
from shared_kernel.http.context import RequestContext
from shared_kernel.http.cors import response_headers
from shared_kernel.http.gate import PRINCIPAL_KEY
from shared_kernel.observability.metrics import UNMATCHED

CLIENT_GONE_STATUS = 499
"""No answer was started; what nginx logs for it."""


class RequestHeaders:
    """The fields the outer door reads, found in one pass."""

    __slots__ = ("forwarded_for", "origin", "request_id", "requested_method", "traceparent")

    def __init__(self, scope: HTTPScope) -> None:
        self.request_id: bytes | None = None
        self.traceparent: bytes | None = None
        self.origin: bytes | None = None
        self.requested_method: bytes | None = None
        self.forwarded_for: bytes | None = None
        for name, value in scope["headers"]:
            match name:
                case b"x-request-id":
                    self.request_id = value
                case b"traceparent":
                    self.traceparent = value
                case b"origin":
                    self.origin = value
                case b"access-control-request-method":
                    self.requested_method = value
                case b"x-forwarded-for":
                    self.forwarded_for = value if self.forwarded_for is None else self.forwarded_for + b"," + value
                case _:
                    pass


class Exchange:
    """Adds to the answer what every answer has, and remembers what is logged and counted of it."""

    __slots__ = (
        "_is_head",
        "_request_id",
        "_send",
        "_started_at",
        "headers",
        "method",
        "position",
        "scope",
        "status",
    )

    def __init__(self, scope: HTTPScope, send: Send, *, headers: RequestHeaders, context: RequestContext) -> None:
        self._started_at = time.perf_counter()
        self._send = send
        self._request_id = context.request_id.encode("ascii")
        self.method: str = scope["method"]
        self._is_head = self.method == "HEAD"
        self.headers = headers
        self.scope = scope
        if self._is_head:
            self.scope = scope.copy()
            self.scope["method"] = "GET"
        self.status = 0
        self.position: str | None = None

    @property
    def route(self) -> str:
        """The route's template, with few values; the path has as many as anybody likes."""
        return self.scope.get("path_template") or UNMATCHED

    @property
    def principal(self) -> Principal | None:
        """Whom the answer was for, once the gate knew."""
        principal = self.scope.get(PRINCIPAL_KEY)
        return principal if isinstance(principal, Principal) else None

    @property
    def duration_seconds(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self._started_at

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            message = self._completed(message)
        elif self._is_head and message["type"] == "http.response.body":
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        await self._send(message)

    def _completed(self, message: HTTPResponseStartEvent) -> HTTPSendMessage:
        self.status = message["status"]
        headers = [*message["headers"], (b"x-request-id", self._request_id)]
        for index, (name, value) in enumerate(headers):
            if name == b"shelfwise-position":
                self.position = value.decode("latin-1")
            elif name == b"allow":
                headers[index] = (name, _with_head(value))
        if self.headers.origin is not None:
            headers += response_headers(self.headers.origin, self.principal)
        return {"type": "http.response.start", "status": self.status, "headers": headers}


def _with_head(allow: bytes) -> bytes:
    """Where GET is allowed, HEAD is: it is answered here, and the router does not know of it."""
    methods = {method.strip() for method in allow.split(b",")} - {b""}
    return b", ".join(sorted(methods | {b"HEAD"} if b"GET" in methods else methods))
