"""The one assembly both sides' applications are: the outer door, Litestar with nothing unsafe turned on, the gate."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, ControllerRouterHandler, ExceptionHandlersMap, Receive, Scope, Send

from shared_kernel.http.authentication import Authentication
from shared_kernel.http.body_guard import BODY_DEADLINE_SECONDS
from shared_kernel.http.cors import IsKnownOrigin, no_known_origin
from shared_kernel.http.direct import DirectRoutes
from shared_kernel.http.door import Door, DoorSettings
from shared_kernel.http.gate import Gate
from shared_kernel.http.health import Health, health_handlers
from shared_kernel.http.outages import outage_handlers
from shared_kernel.http.problems import exception_handlers
from shared_kernel.http.request import KernelRequest
from shared_kernel.http.routes import assert_every_route_declared
from shared_kernel.observability.metrics import Metrics

Lifespan: TypeAlias = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Application:
    """What a server runs; `litestar` is the part behind the outer door, for inspection."""

    def __init__(self, door: Door, litestar: Litestar) -> None:
        self._door = door
        self.litestar = litestar

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._door(scope, receive, send)


def build_app(  # noqa: PLR0913  # the one place where everything meets
    route_handlers: Sequence[ControllerRouterHandler],
    *,
    door: DoorSettings,
    metrics: Metrics,
    health: Health,
    authentication: Authentication | None,
    dependencies: Mapping[str, object] | None = None,
    lifespan: Sequence[Lifespan] = (),
    is_known_origin: IsKnownOrigin = no_known_origin,
    body_deadline_seconds: float = BODY_DEADLINE_SECONDS,
    short_way: Callable[[ASGIApp], ASGIApp] | None = None,
) -> Application:
    """Assemble one side.

    Args:
        route_handlers: each with `opt=declare(policy=…)`.
        door: limits, proxies, concurrency.
        metrics: this process's registry, served at `/metrics`.
        health: its checks, served at `/health/…`.
        authentication: None for an application of public routes only.
        dependencies: singletons by the name handlers ask for them (`NamedDependency[T]`), or `Provide`rs.
        lifespan: opened in order, closed in reverse; readiness is turned off before the first closes.
        is_known_origin: whether any store lists an origin, for preflights.
        body_deadline_seconds: for a request's body to arrive.
        short_way: put before the router, behind the outer door, to answer again what the router has let through before.

    Raises:
        UndeclaredRouteError: a route says nothing about who may use it, or asks for Litestar's response cache.
    """
    error_answers: ExceptionHandlersMap = {**exception_handlers(), **outage_handlers()}
    litestar = Litestar(
        [*route_handlers, *health_handlers(health, metrics)],
        dependencies={name: provided(value) for name, value in (dependencies or {}).items()},
        exception_handlers=error_answers,
        lifespan=[*lifespan, _draining_before(health)],
        logging_config=None,
        middleware=[DefineMiddleware(Gate, authentication=authentication, body_deadline_seconds=body_deadline_seconds)],
        openapi_config=None,
        request_class=KernelRequest,
        debug=False,
    )
    assert_every_route_declared(litestar)
    direct = DirectRoutes(
        litestar,
        authentication=authentication,
        body_deadline_seconds=body_deadline_seconds,
        error_answers=error_answers,
    )
    behind: ASGIApp = direct if short_way is None else short_way(direct)
    return Application(Door(behind, door, metrics=metrics, is_known_origin=is_known_origin), litestar)


def provided(value: object) -> Provide:
    """A singleton as Litestar takes it."""
    if isinstance(value, Provide):
        return value

    async def provide() -> Any:  # noqa: ANN401  # whatever the object graph holds under that name
        return value

    return Provide(provide)


def _draining_before(health: Health) -> Lifespan:
    @asynccontextmanager
    async def draining(_app: Litestar) -> AsyncIterator[None]:
        yield
        health.draining.begin()

    return draining
