"""What is known of the request being answered: its id and trace, and, once authenticated, whose it is."""

import os
import re
from contextvars import ContextVar
from typing import TypeGuard

import msgspec
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Scope

from shared_kernel.access.principals import Principal
from shared_kernel.errors import UnauthenticatedError
from shared_kernel.identifiers import new_id

# Visible ASCII, and no API key that was put into the wrong header: it would be kept in logs and events.
_REQUEST_ID = re.compile(rb"(?!.*sw_(?:live|test)_)[\x21-\x7e]{1,128}\Z")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?\Z")


def is_http(scope: Scope) -> TypeGuard[HTTPScope]:
    """Whether this is a request, and not a lifespan or a websocket."""
    return scope["type"] == ScopeType.HTTP


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """Carried into event metadata and log lines.

    Attributes:
        request_id: the client's `X-Request-Id` where it is sane, else a UUIDv7.
        traceparent: W3C trace context; the client's trace with a span of ours, or a new trace.
    """

    request_id: str
    traceparent: str


class NoRequestInContextError(RuntimeError):
    """Code that needs a request ran outside one: a bug, never a client's mistake."""


request_variable: ContextVar[RequestContext] = ContextVar("request")
principal_variable: ContextVar[Principal] = ContextVar("principal")


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
    try:
        return principal_variable.get()
    except LookupError:
        message = "a valid API key is required"
        raise UnauthenticatedError(message) from None


def request_context(request_id: bytes | None, traceparent: bytes | None) -> RequestContext:
    """Accept what the client sent where it is sane, else make it.

    Args:
        request_id: the `X-Request-Id` header; at most 128 visible ASCII characters.
        traceparent: the `traceparent` header.

    Source: W3C Trace Context, section 3.2.
    """
    accepted = request_id is not None and _REQUEST_ID.match(request_id)
    return RequestContext(
        request_id=request_id.decode("ascii") if accepted and request_id else str(new_id()),
        traceparent=_continued(traceparent),
    )


def _continued(traceparent: bytes | None) -> str:
    match = _TRACEPARENT.match(traceparent) if traceparent is not None else None
    trace_id = match[1].decode("ascii") if match else os.urandom(16).hex()
    flags = match[2].decode("ascii") if match else "00"
    return f"00-{trace_id}-{os.urandom(8).hex()}-{flags}"
