"""A body is read whole before anybody parses it: within its bound, in time, of a type we take, and readable."""

import asyncio
from typing import Final, cast

from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPReceiveMessage, HTTPRequestEvent, HTTPScope, Receive, WebSocketReceiveMessage

from shared_kernel.errors import MalformedError, TooLargeError, TooSlowError, UnsupportedMediaTypeError
from shared_kernel.http.body_scan import reject_unreadable

BODY_DEADLINE_SECONDS: Final = 15.0
"""1 MiB at the speed of a bad phone line; whoever is slower holds a slot of ours."""
_JSON: Final = b"application/json"
_MERGE_PATCH: Final = b"application/merge-patch+json"
_MAX_LENGTH_DIGITS: Final = 15


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete; there is nobody to answer."""


async def guarded_body(
    scope: HTTPScope, receive: Receive, *, max_bytes: int, deadline_seconds: float = BODY_DEADLINE_SECONDS
) -> Receive:
    """Read and check the body, and return a `receive` that hands it on in one piece.

    Raises:
        TooLargeError: said by Content-Length before anything is read, or found while reading.
        TooSlowError: not complete within the deadline.
        UnsupportedMediaTypeError: there is a body, and it is not JSON.
        MalformedError: it is not readable; or the route takes one and there is none.
        ClientGoneError: nobody waits for an answer.
    """
    length, content_type = _announced(scope)
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    if length:
        _reject_other_types(scope["method"], content_type)
    try:
        async with asyncio.timeout(deadline_seconds):
            body = await _read(receive, max_bytes)
    except TimeoutError:
        message = f"The body was not complete after {deadline_seconds:g} seconds."
        raise TooSlowError(message) from None
    if body:
        _reject_other_types(scope["method"], content_type)
        reject_unreadable(body)
    elif _takes_body(scope):
        message = "This route takes a JSON body."
        raise MalformedError(message)
    return _replay(body, receive)


async def _read(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:  # bounded by max_bytes and by the caller's deadline
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        request = cast("HTTPRequestEvent", message)  # an http scope receives nothing else
        chunk = request.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
        if not request.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_pending = True

    async def replay() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        nonlocal is_pending
        if is_pending:
            is_pending = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _announced(scope: HTTPScope) -> tuple[int | None, bytes | None]:
    length: int | None = None
    content_type: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
                message = "Content-Length is not a number of bytes."
                raise MalformedError(message)
            length = int(value)
        elif name == b"content-type":
            content_type = value
    return length, content_type


def _reject_other_types(method: str, content_type: bytes | None) -> None:
    media_type, _, parameters = (content_type or b"").lower().partition(b";")
    charset = parameters.strip().removeprefix(b"charset=").strip(b'"')
    allowed = (_JSON, _MERGE_PATCH) if method == "PATCH" else (_JSON,)
    if media_type.strip() not in allowed or charset not in (b"", b"utf-8", b"utf8"):
        names = " or ".join(name.decode() for name in allowed)
        message = f"Send the body as {names}, in UTF-8."
        raise UnsupportedMediaTypeError(message)


def _takes_body(scope: HTTPScope) -> bool:
    handler = scope["route_handler"]
    field = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
    return field is not None and not field.is_optional


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"The body is larger than {max_bytes} bytes.")
