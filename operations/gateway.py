"""Everything behind one port, for development: reads to the query API, operators to theirs, the rest to commands.

`shelfwise up` runs it; in production a gateway that routes by method stands before the deployables.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeAlias, cast

import msgspec
from litestar.types import Send

from operations.api.app import OperationsSettings
from operations.api.app import create_app as create_operations_app
from read_side.app import ReadApiSettings
from read_side.app import create_app as create_read_app
from shared_kernel.http.health import Draining, NotReadyError
from shared_kernel.http.problems import send_problem
from write_side.app import WriteApiSettings
from write_side.app import create_app as create_write_app

# ASGI as it is on the wire between server and application: what a key holds depends on the message's type.
AsgiScope: TypeAlias = MutableMapping[str, Any]
AsgiMessage: TypeAlias = MutableMapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
AsgiSend: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]  # Any: Litestar's own, closed names for the same three

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_READY: Final = "/health/ready"
_WRITE_SIDE: Final = "/write-side"
"""Before a path that all have, such as `/metrics`: the command API's."""
_OPERATIONS: Final = "/operations-side"
"""The same for the operators' API."""
_OF_OPERATORS: Final = ("/api/v1/operations", "/console")


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the joined process reads from `SHELFWISE_*`: each side's own logins, apart.

    Attributes:
        write_database_url: logs in as the write API.
        read_database_url: logs in as the read API.
        head_database_url: the write database, logged in as the read API.
        operator_write_database_url, operator_read_database_url: log in as the operator.
    """

    write_database_url: str
    read_database_url: str
    head_database_url: str
    operator_write_database_url: str
    operator_read_database_url: str
    redis_url: str
    secret_key: str
    payment_callback_secret: str = ""
    webhooks_allow_loopback: bool = False


class Gateway:
    """One ASGI application of three."""

    def __init__(self, *, read_app: AsgiApp, write_app: AsgiApp, operations_app: AsgiApp, draining: Draining) -> None:
        self._read_app = read_app
        self._write_app = write_app
        self._operations_app = operations_app
        self.draining = draining

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """ASGI: each request to its side, each side's lifespan around the other's; websockets nobody has."""
        if scope["type"] == "http":
            await self._pass_on(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)

    async def _pass_on(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        path: str = scope["path"]
        if path == _READY:
            await self._say_ready(scope, receive, send)
        elif _is_of_operators(path):
            await self._operations_app(scope, receive, send)
        elif path.startswith(_OPERATIONS):
            own = path.removeprefix(_OPERATIONS)
            await self._operations_app({**scope, "path": own, "raw_path": own.encode()}, receive, send)
        elif scope["method"] not in _READS:
            await self._write_app(scope, receive, send)
        elif path.startswith(_WRITE_SIDE):
            own = path.removeprefix(_WRITE_SIDE)
            await self._write_app({**scope, "path": own, "raw_path": own.encode()}, receive, send)
        else:
            await self._read_app(scope, receive, send)

    async def _say_ready(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Ready when both sides are, and the process is not about to end."""
        if self.draining.is_on:
            await send_problem(cast("Send", send), NotReadyError(["draining"]), instance=_READY)
            return
        messages: list[AsgiMessage] = []

        async def hold(message: AsgiMessage) -> None:
            messages.append(message)

        await self._write_app(scope, receive, hold)
        if any(message.get("status") == HTTPStatus.OK for message in messages):
            await self._read_app(scope, receive, send)
            return
        for message in messages:
            await send(message)

    async def _live(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for app in (self._write_app, self._read_app, self._operations_app):
                    await stack.enter_async_context(_running(app, scope))
            except LifespanFailed as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.draining.begin()
        await send({"type": "lifespan.shutdown.complete"})


def _is_of_operators(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _OF_OPERATORS)


class LifespanFailed(Exception):
    """A side did not start."""


@asynccontextmanager
async def _running(app: AsgiApp, scope: AsgiScope) -> AsyncIterator[None]:
    """One side's lifespan, for the block."""
    events: asyncio.Queue[AsgiMessage] = asyncio.Queue(maxsize=1)
    answers: asyncio.Queue[AsgiMessage] = asyncio.Queue(maxsize=2)
    # A state of its own: the sides share nothing.
    side = asyncio.ensure_future(app({**scope, "state": {}}, events.get, answers.put))
    await events.put({"type": "lifespan.startup"})
    started = asyncio.ensure_future(answers.get())
    await asyncio.wait({side, started}, return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        started.cancel()
        raise LifespanFailed("a side ended before it started") from side.exception()
    if started.result()["type"] != "lifespan.startup.complete":
        await side
        raise LifespanFailed(started.result().get("message") or "a side did not start")
    try:
        yield
    finally:
        await events.put({"type": "lifespan.shutdown"})
        await side


def create_gateway(settings: GatewaySettings) -> Gateway:
    """The joined application; it opens nothing before its lifespan begins."""
    write_settings = WriteApiSettings(
        write_database_url=settings.write_database_url,
        redis_url=settings.redis_url,
        secret_key=settings.secret_key,
        payment_callback_secret=settings.payment_callback_secret,
        webhooks_allow_loopback=settings.webhooks_allow_loopback,
    )
    read_settings = ReadApiSettings(
        read_database_url=settings.read_database_url,
        write_database_url=settings.head_database_url,
        redis_url=settings.redis_url,
        secret_key=settings.secret_key,
    )
    operations_settings = OperationsSettings(
        write_database_url=settings.operator_write_database_url,
        read_database_url=settings.operator_read_database_url,
        command_database_url=settings.write_database_url,
        redis_url=settings.redis_url,
        secret_key=settings.secret_key,
    )
    draining = Draining()
    return Gateway(
        read_app=create_read_app(read_settings, draining=draining),
        write_app=create_write_app(write_settings),
        operations_app=create_operations_app(operations_settings, draining=draining),
        draining=draining,
    )
