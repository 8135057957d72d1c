"""Routes without parameters in their path: what a router finds out at each request is found out once, at the start.

They are Litestar's own routes, which it declares, documents and could answer just as well; whatever is unusual about a
request (a host it would refuse, a path spelled otherwise) still goes to it, and so does every other route.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from litestar import Litestar, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, ExceptionHandlersMap, HTTPScope, Receive, Scope, Send

from shared_kernel.http.authentication import Authentication
from shared_kernel.http.context import is_http
from shared_kernel.http.exchange import EXCHANGE_KEY, Exchange
from shared_kernel.http.gate import Gate
from shared_kernel.http.request import KernelRequest
from shared_kernel.http.routes import declaration_of, is_generated_options

Guard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]
AnswerError: TypeAlias = Callable[[KernelRequest, Exception], Response[Any]]  # Any: of whatever route
Give: TypeAlias = Callable[[], Awaitable[object]]

_REQUEST: Final = "request"
_BODY: Final = "data"
_HOST: Final = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._:[]")
"""What names of hosts are made of. Litestar takes more, and refuses the rest."""
_MAX_FIELD_NAMES: Final = 256
"""Of header fields; they are all ours."""
_MAX_HOSTS: Final = 256
"""Names that this process is called by; anybody may make others up, so they are forgotten in turn."""
_HOOKS: Final = (
    "middleware",
    "exception_handlers",
    "before_request",
    "after_request",
    "after_response",
    "response_headers",
    "response_cookies",
    "cache_control",
    "etag",
)
"""What a route or its router may have Litestar do beside calling the handler, which nobody would do here."""


class DirectRoutes:
    """Before Litestar: calls the handlers of those routes with what they ask for by name."""

    def __init__(
        self,
        litestar: Litestar,
        *,
        authentication: Authentication | None,
        body_deadline_seconds: float,
        error_answers: ExceptionHandlersMap,
    ) -> None:
        self._litestar = litestar
        self._error_answers = cast("Mapping[type[Exception], AnswerError]", error_answers)
        self.calls: dict[tuple[str, str], Call] = {
            (method, route.path): Call(handler)
            for route in litestar.routes
            if isinstance(route, HTTPRoute) and not route.path_parameters
            for handler in route.route_handlers
            if is_direct(handler)
            for method in handler.http_methods
        }
        self._gates: dict[tuple[str, str], ASGIApp] = {
            key: Gate(call, authentication=authentication, body_deadline_seconds=body_deadline_seconds)
            for key, call in self.calls.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        gate = self._gate_for(scope) if is_http(scope) else None
        if gate is None:
            await self._litestar(scope, receive, send)
            return
        try:
            await gate(scope, receive, send)
        except Exception as error:
            # The edge that Litestar has for its own routes, with the same answers.
            answer = self._answer_to(error)
            if answer is None or _exchange(cast("HTTPScope", scope)).status:
                raise
            await send_response(answer(KernelRequest(scope, receive, send), error), send, status=500)

    def _gate_for(self, scope: HTTPScope) -> ASGIApp | None:
        """The way to the route, which the scope then names as Litestar would; None: it is Litestar's to find."""
        key = (scope["method"], scope["path"])
        gate = self._gates.get(key)
        if gate is None or scope.get("root_path") or not _is_plain(scope):
            return None
        scope["app"] = scope["litestar_app"] = self._litestar
        scope.setdefault("state", {})
        scope["route_handler"], scope["path_template"], scope["path_params"] = self.calls[key].handler, key[1], {}
        return gate

    def _answer_to(self, error: Exception) -> AnswerError | None:
        answers = self._error_answers
        return next((answers[kind] for kind in type(error).__mro__ if kind in answers), None)


class Call:
    """One route: its guards, its handler, and what the handler asks for."""

    def __init__(self, handler: HTTPRouteHandler) -> None:
        self.handler = handler
        self._function: Callable[..., Awaitable[Response[Any]]] = handler.fn
        self._guards = [cast("Guard", guard) for guard in handler.resolve_guards()]
        names = list(handler.parsed_fn_signature.parameters)
        self._takes_request, self._takes_body = _REQUEST in names, _BODY in names
        given = handler.resolve_dependencies()
        self._given: dict[str, Give] = {name: given[name].dependency for name in names if name in given}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, behind the gate."""
        request = KernelRequest(scope, receive, send)
        for guard in self._guards:
            await guard(request, self.handler)
        named = {name: await give() for name, give in self._given.items()}
        if self._takes_request:
            named[_REQUEST] = request
        if self._takes_body:
            named[_BODY] = await request.json()
        await send_response(await self._function(**named), send, status=self.handler.status_code)


def is_direct(handler: HTTPRouteHandler) -> bool:
    """Whether a handler asks for nothing but the request, its body, and dependencies that need nothing themselves."""
    if is_generated_options(handler) or handler.has_sync_callable or _has_hooks(handler):
        return False
    declaration, signature = declaration_of(handler), handler.parsed_fn_signature
    if declaration.streams or declaration.policy.public or not signature.return_type.is_subclass_of(Response):
        return False
    given = handler.resolve_dependencies()
    body = handler.parsed_data_field
    if body is not None and body.is_optional:
        return False
    return all(
        name in {_REQUEST, _BODY} or (name in given and _needs_nothing(given[name])) for name in signature.parameters
    )


async def send_response(response: Response[Any], send: Send, *, status: int) -> None:
    """A response whose body is encoded already, as Litestar sends it; the routes here have no others.

    Args:
        status: where the response does not say.

    Raises:
        TypeError: it is one of those others, a bug.
    """
    body = response.content
    if not isinstance(body, bytes | None) or response.background is not None:
        message = "a direct route answers with encoded bytes and nothing beside"
        raise TypeError(message)
    fields = [(_field_name(name), f"{value}".encode("latin-1")) for name, value in response.headers.items()]
    if body is not None:
        media_type = response.media_type or "application/json"
        fields += ((b"content-type", media_type.encode("latin-1")), (b"content-length", b"%d" % len(body)))
    fields += (cookie.to_encoded_header() for cookie in response.cookies)
    await send({"type": "http.response.start", "status": response.status_code or status, "headers": fields})
    await send({"type": "http.response.body", "body": body or b"", "more_body": False})


@lru_cache(maxsize=_MAX_FIELD_NAMES)
def _field_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


def _has_hooks(handler: HTTPRouteHandler) -> bool:
    """Whether the handler or a router has hooks; the application's own are built beside these routes."""
    return any(getattr(layer, hook) for layer in handler.ownership_layers[1:] for hook in _HOOKS)


def _needs_nothing(dependency: Provide) -> bool:
    give = dependency.dependency
    return inspect.iscoroutinefunction(give) and not inspect.signature(give).parameters


def _is_plain(scope: HTTPScope) -> bool:
    """Whether the host is named once, as hosts are; none is not refused."""
    headers = _exchange(scope).headers
    host = headers.get(b"host")
    return not headers.has_repeated and (host is None or _is_plain_host(host))


@lru_cache(maxsize=_MAX_HOSTS)
def _is_plain_host(host: bytes) -> bool:
    return _HOST.issuperset(host)


def _exchange(scope: HTTPScope) -> Exchange:
    """What the outer door has put there."""
    return cast("Exchange", scope[EXCHANGE_KEY])  # type: ignore[typeddict-item]  # a scope is an open dictionary (ASGI)
