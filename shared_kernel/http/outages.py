"""What tells that a dependency is away, saturated or ending, and not that we are wrong: a 503, never a 500."""

import socket
from typing import Any, Final

import asyncpg
import structlog
from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from shared_kernel.database.outages import OUTAGES, is_lost_connection
from shared_kernel.database.transactions import DatabaseUnavailableError
from shared_kernel.http.problems import answer_unexpected, problem_response

_log = structlog.get_logger(component="http")

# Redis, a resolver, a bound of ours.
_OTHERS: Final[tuple[type[Exception], ...]] = (ConnectionError, TimeoutError, socket.gaierror)


def outage_handlers() -> ExceptionHandlersMap:
    """Litestar's hook for all of them."""
    handlers: dict[int | type[Exception], Any] = dict.fromkeys((*OUTAGES, *_OTHERS), _answer_outage)
    handlers[asyncpg.InterfaceError] = _answer_interface_error
    return handlers


def _answer_outage(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.warning("dependency_away", reason=type(error).__name__, route=request.scope.get("path_template"))
    shown = DatabaseUnavailableError("A dependency did not answer in time; try again.")
    return problem_response(shown, instance=request.scope["path"])


def _answer_interface_error(request: Request[Any, Any, Any], error: asyncpg.InterfaceError) -> Response[Any]:
    return _answer_outage(request, error) if is_lost_connection(error) else answer_unexpected(request, error)
