"""The inner door, behind the router, where it is known which route is asked for: who may, and with what body."""

from contextlib import nullcontext
from typing import Final

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from shared_kernel.access.principals import Principal
from shared_kernel.errors import ForbiddenError, NotAcceptableError
from shared_kernel.http.authentication import Authentication, unauthenticated
from shared_kernel.http.body_guard import BODY_DEADLINE_SECONDS, ClientGoneError, guarded_body
from shared_kernel.http.context import is_http, request_variable
from shared_kernel.http.routes import Declaration, declaration_of, is_generated_options
from shared_kernel.tenancy import acting_for

_JSON_RANGES: Final = (b"application/json", b"application/*", b"*/*")
_EVENT_RANGES: Final = (b"text/event-stream", b"text/*", b"*/*")
"""The most specific first, here and above."""
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Deny by default: what declares nothing is refused, even if it slipped past the check at boot."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authentication: Authentication | None,
        body_deadline_seconds: float = BODY_DEADLINE_SECONDS,
    ) -> None:
        """Wrap a route's handling; without `authentication` only public routes can be used."""
        self._app = app
        self._authentication = authentication
        self._body_deadline_seconds = body_deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise what is wrong with it."""
        if not is_http(scope):
            message = "There are no such connections here."
            raise ForbiddenError(message)
        handler = scope["route_handler"]
        if is_generated_options(handler):
            await self._app(scope, receive, send)
            return
        declaration = declaration_of(handler)
        if declaration.policy.public:
            await self._pass(scope, receive, send, declaration.max_body_bytes)
            return
        principal = await self._admitted(scope, declaration)
        request_variable.get().principal = principal
        store = principal.store
        with nullcontext() if store is None else acting_for(store):
            await self._pass(scope, receive, send, declaration.max_body_bytes)

    async def _admitted(self, scope: HTTPScope, declaration: Declaration) -> Principal:
        if self._authentication is None:
            raise unauthenticated()
        authorization: bytes | None = None
        accept: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:  # whoever stands before us may have looked at the other one
                    raise unauthenticated()
                authorization = value
            elif name == b"accept":
                accept = value if accept is None else accept + b"," + value
        principal = await self._authentication.principal(authorization)
        if accept and not _accepts_any(accept, _EVENT_RANGES if declaration.streams else _JSON_RANGES):
            kind = "This is text/event-stream" if declaration.streams else "Everything here is application/json"
            message = f"{kind}; say so in Accept, or leave it out."
            raise NotAcceptableError(message)
        if principal.role not in declaration.policy.roles:
            message = f"A key with the role {principal.role.value} may not do this."
            raise ForbiddenError(message)
        return principal

    async def _pass(self, scope: HTTPScope, receive: Receive, send: Send, max_body_bytes: int) -> None:
        if scope["method"] not in _BODILESS:
            try:
                receive = await guarded_body(
                    scope, receive, max_bytes=max_body_bytes, deadline_seconds=self._body_deadline_seconds
                )
            except ClientGoneError:
                return
        await self._app(scope, receive, send)


def _accepts_any(accept: bytes, ranges: tuple[bytes, ...]) -> bool:
    """Whether the most specific media range of `Accept` that covers a type is not weighted 0 (RFC 9110, 12.5.1)."""
    refused: dict[bytes, bool] = {}
    for media_range in accept.lower().split(b","):
        name, *parameters = (part.strip() for part in media_range.split(b";"))
        refused[name] = any(_is_zero_weight(parameter) for parameter in parameters)
    return next((not refused[name] for name in ranges if name in refused), False)


def _is_zero_weight(parameter: bytes) -> bool:
    return parameter.startswith(b"q=") and not parameter[2:].strip(b"0.")
