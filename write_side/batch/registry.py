"""The commands that a batch takes: the routes themselves, asked what they would run."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from shared_kernel.http.decode import decode_body
from shared_kernel.http.routes import Declaration, declaration_of
from write_side.batch.errors import UnknownCommand
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.command_execution.execution import Decide
from write_side.command_execution.requests import Answer
from write_side.command_execution.unlocked import Unlocked

_REQUEST: Final = "request"
_COMMANDS: Final = "commands"
_DATA: Final = "data"
_EMPTY: Final = b"null"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a route would run.

    Attributes:
        operation: scopes the idempotency key.
        request: method, path and canonical body: what must be the same in a retry, here or on the route.
    """

    operation: str
    decide: Decide
    request: tuple[bytes, ...]


class _Captured(Exception):
    def __init__(self, operation: str, decide: Decide) -> None:
        self.operation = operation
        self.decide = decide


class _Capturing(Commands):
    """Given to a route in the place of what runs commands: it says what it was given, and runs nothing."""

    def __init__(self) -> None:
        """Needs no execution."""

    async def run(
        self,
        _request: HttpRequest,
        operation: str,
        decide: Decide,
        *,
        without_locks: Unlocked | None = None,  # noqa: ARG002 - in a batch there are others before and after it
    ) -> Response[Any]:
        """Leave with it."""
        raise _Captured(operation, decide)

    async def run_planned(
        self, _request: HttpRequest, _operation: str, _plan: Decide, _answer_for: Callable[[Answer], Decide]
    ) -> Response[Any]:
        """Its answer is somebody else's, and would keep all others waiting."""
        raise UnknownCommand("this command waits for a payment provider: send it by itself")


class BatchCommand:
    """One route, as a command of a batch."""

    def __init__(self, handler: HTTPRouteHandler, provided: Mapping[str, object], *, below: str) -> None:
        self.declaration: Declaration = declaration_of(handler)
        hints = get_type_hints(handler.fn, include_extras=True)
        names = [name for name in inspect.signature(handler.fn).parameters if name not in (_REQUEST, _COMMANDS)]
        self._fn = handler.fn
        self._method = next(iter(handler.http_methods))
        self._path = below + next(iter(handler.paths))
        self._body_type = _unwrapped(hints[_DATA]) if _DATA in names else None
        self._provided = {name: provided[name] for name in names if name in provided}
        self._path_types = {name: _unwrapped(hints[name]) for name in names if name != _DATA and name not in provided}

    @property
    def is_whole(self) -> bool:
        """Whether everything the route takes can be given here."""
        return all(f"{{{name}:" in self._path for name in self._path_types)

    async def asked(self, payload: Mapping[str, Any]) -> Asked:  # Any: decoded JSON
        """What the route would run for a payload.

        Raises:
            ShelfWiseError: the payload does not fit.
        """
        named = {name: payload[name] for name in self._path_types if name in payload}
        rest = {name: value for name, value in payload.items() if name not in self._path_types}
        places = decode_body(msgspec.json.encode(named), _places(tuple(self._path_types.items())))
        arguments: dict[str, object] = {**self._provided, **msgspec.structs.asdict(places)}
        body = _EMPTY
        if self._body_type is not None:
            body = msgspec.json.encode(rest, order="deterministic")
            arguments[_DATA] = decode_body(body, self._body_type)
        try:
            await self._fn(request=None, commands=_Capturing(), **arguments)
        except _Captured as captured:
            path = self._path
            for name in self._path_types:
                start = path.index(f"{{{name}:")
                path = f"{path[:start]}{arguments[name]}{path[path.index('}', start) + 1 :]}"
            request = (self._method.encode(), path.encode(), body)
            return Asked(operation=captured.operation, decide=captured.decide, request=request)
        raise AssertionError("a route of commands runs one")


def batch_commands(
    routes: Sequence[HTTPRouteHandler], provided: Mapping[str, object], *, below: str
) -> dict[str, BatchCommand]:
    """Every route that runs one command, by its name.

    Args:
        routes: those of the application.
        provided: what else they are given, by name.
        below: the path they stand below.
    """
    found: dict[str, BatchCommand] = {}
    for handler in routes:
        if _COMMANDS in inspect.signature(handler.fn).parameters:
            command = BatchCommand(handler, provided, below=below)
            if command.is_whole:
                found[handler.fn.__name__] = command
    return found


def _unwrapped(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _places(types: tuple[tuple[str, Any], ...]) -> type[msgspec.Struct]:  # Any: types
    return msgspec.defstruct("Path", [(name, kind) for name, kind in types], frozen=True, kw_only=True)
