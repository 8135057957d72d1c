"""What every route declares about itself; a route that declares nothing stops the boot."""

from typing import Any, Literal, TypeAlias

import msgspec
from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from shared_kernel.access.roles import AccessPolicy
from shared_kernel.errors import ShelfWiseError

Need: TypeAlias = Literal["required", "accepted", "none"]

MAX_BODY_BYTES = 1024 * 1024
_OPT_KEY = "declaration"
_OPTIONS_HANDLER = "HTTPRoute.create_options_handler.<locals>.options_handler"


class UndeclaredRouteError(RuntimeError):
    """A route says nothing about who may use it: a bug, found when the application is built."""


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel enforces for a route and the OpenAPI document says of it.

    Attributes:
        policy: who may.
        cost: units drawn from the tenant's and the key's limit.
        idempotency: of `Idempotency-Key`.
        if_match: of `If-Match`.
        errors: the named errors it can answer beside those that follow from the rest of the declaration.
        max_body_bytes: past it 413.
        waits: whether `ShelfWise-Min-Position` and `Prefer: wait` are understood; None: on every GET with a key.
        streams: whether it answers with a stream of events (`text/event-stream`) instead of JSON.
        compresses: whether large answers are sent compressed to whoever takes that; never where there are secrets.
    """

    policy: AccessPolicy
    cost: int = 1
    idempotency: Need = "none"
    if_match: Need = "none"
    errors: tuple[type[ShelfWiseError], ...] = ()
    max_body_bytes: int = MAX_BODY_BYTES
    waits: bool | None = None
    streams: bool = False
    compresses: bool = False


def declare(  # noqa: PLR0913 - a declaration's parts, all by name
    *,
    policy: AccessPolicy,
    cost: int = 1,
    idempotency: Need = "none",
    if_match: Need = "none",
    errors: tuple[type[ShelfWiseError], ...] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    waits: bool | None = None,
    streams: bool = False,
    compresses: bool = False,
) -> dict[str, Any]:
    """The `opt=` of a Litestar route handler; see `Declaration`."""
    declaration = Declaration(
        policy=policy,
        cost=cost,
        idempotency=idempotency,
        if_match=if_match,
        errors=errors,
        max_body_bytes=max_body_bytes,
        waits=waits,
        streams=streams,
        compresses=compresses,
    )
    return {_OPT_KEY: declaration}


def declaration_of(route_handler: BaseRouteHandler) -> Declaration:
    """What a route declared.

    Raises:
        UndeclaredRouteError: nothing.
    """
    declaration = route_handler.opt.get(_OPT_KEY)
    if not isinstance(declaration, Declaration):
        message = f"the route {route_handler} declares no access policy: give it opt=declare(policy=…)"
        raise UndeclaredRouteError(message)
    return declaration


def is_generated_options(route_handler: BaseRouteHandler) -> bool:
    """Whether this is Litestar's own answer to OPTIONS: it lists a path's methods and reads nothing."""
    return getattr(route_handler.fn, "__qualname__", "") == _OPTIONS_HANDLER


def handlers_of(app: Litestar) -> list[tuple[str, BaseRouteHandler]]:
    """Every route handler with its path, also those Litestar added by itself, except its answers to OPTIONS."""
    found: list[tuple[str, BaseRouteHandler]] = []
    for route in app.routes:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else [route.route_handler]
        found.extend((route.path, handler) for handler in handlers if not is_generated_options(handler))
    return found


def assert_every_route_declared(app: Litestar) -> None:
    """Stop the boot over a route that anybody could use because nobody said who may.

    Raises:
        UndeclaredRouteError: naming every such route; one whose policy admits nobody and is not public, or has roles
            and is public; and one with Litestar's response cache, which knows no tenants.
    """
    faults = [path for path, handler in handlers_of(app) if not _is_sound(handler)]
    if faults:
        message = f"routes without a sound access policy: {', '.join(sorted(set(faults)))}"
        raise UndeclaredRouteError(message)


def _is_sound(handler: BaseRouteHandler) -> bool:
    declaration = handler.opt.get(_OPT_KEY)
    if not isinstance(declaration, Declaration):
        return False
    if getattr(handler, "cache", False):
        return False
    return declaration.policy.public is not bool(declaration.policy.roles)
