"""What is known of the request being answered: its id and trace, and, once authenticated, whose it is."""

import os
import re
from contextvars import ContextVar
from typing import TypeGuard

from litestar.enums import ScopeType
from litestar.types import HTTPScope, Scope

from shared_kernel.access.principals import Principal
from shared_kernel.errors import UnauthenticatedError
from shared_kernel.identifiers import new_id_text

# Visible ASCII, and no API key that was put into the wrong header: it would be kept in logs and events.
_REQUEST_ID = re.compile(rb"(?!.*sw_(?:live|test)_)[\x21-\x7e]{1,128}\Z")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?\Z")


def is_http(scope: Scope) -> TypeGuard[HTTPScope]:
    """Whether this is a request, and not a lifespan or a websocket."""
    return scope["type"] == ScopeType.HTTP


class RequestContext:
    """Carried into event metadata and log lines; `principal` is set once the gate knows.

    `request_id` is the client's `X-Request-Id` where it is sane, else a UUIDv7.
    """

    __slots__ = ("_received_traceparent", "_traceparent", "principal", "request_id")

    def __init__(self, request_id: bytes | None, traceparent: bytes | None) -> None:
        """Accept what the client sent where it is sane, else make it.

        Args:
            request_id: the `X-Request-Id` header; at most 128 visible ASCII characters.
            traceparent: the `traceparent` header.
        """
        is_sane = request_id is not None and _REQUEST_ID.match(request_id) is not None
        self.request_id = request_id.decode("ascii") if request_id is not None and is_sane else new_id_text()
        self.principal: Principal | None = None
        self._received_traceparent = traceparent
        self._traceparent: str | None = None

    @property
    def traceparent(self) -> str:
        """W3C trace context: the client's trace with a span of ours, or a new trace; made when first asked for.

        Source: W3C Trace Context, section 3.2.
        """
        if self._traceparent is None:
            self._traceparent = _continued(self._received_traceparent)
        return self._traceparent

    def log_fields(self) -> dict[str, str]:
        """What every log line of this request says."""
        if self.principal is None:
            return {"request_id": self.request_id}
        fields = {"request_id": self.request_id, "actor": str(self.principal.id)}
        return fields if self.principal.store is None else {**fields, "tenant": str(self.principal.store.id)}


class NoRequestInContextError(RuntimeError):
    """Code that needs a request ran outside one: a bug, never a client's mistake."""


request_variable: ContextVar[RequestContext] = ContextVar("request")


def current_request() -> RequestContext:
    """The request being answered.

    Raises:
        NoRequestInContextError: none is.
    """
    try:
        return request_variable.get()
    except LookupError:
        message = "no request in context"
        raise NoRequestInContextError(message) from None


def current_principal() -> Principal:
    """Who is behind the request.

    Raises:
        UnauthenticatedError: nobody is, as on a public route.
    """
    context = request_variable.get(None)
    if context is None or context.principal is None:
        message = "a valid API key is required"
        raise UnauthenticatedError(message)
    return context.principal


def _continued(traceparent: bytes | None) -> str:
    match = _TRACEPARENT.match(traceparent) if traceparent is not None else None
    trace_id = match[1].decode("ascii") if match else os.urandom(16).hex()
    flags = match[2].decode("ascii") if match else "00"
    return f"00-{trace_id}-{os.urandom(8).hex()}-{flags}"
