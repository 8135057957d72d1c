"""What tells that a dependency is away, saturated or ending, and not that we are wrong: a 503, never a 500."""

import socket
from typing import Any, Final

import asyncpg
import structlog
from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from shared_kernel.database.transactions import DatabaseUnavailableError
from shared_kernel.http.problems import answer_unexpected, problem_response

_log = structlog.get_logger(component="http")

OUTAGES: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresConnectionError,
    # Shut down, still starting, or ended a statement that took longer than its bound.
    asyncpg.OperatorInterventionError,
    # Connections, memory, disk.
    asyncpg.InsufficientResourcesError,
    # A lock was not had in time, or two waited for each other: nothing was done.
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A standby that was promoted elsewhere.
    asyncpg.ReadOnlySQLTransactionError,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
)
"""Raised in the middle of work; a connection that cannot be had is a `DatabaseUnavailableError` already."""


def outage_handlers() -> ExceptionHandlersMap:
    """Litestar's hook for all of them."""
    handlers: dict[int | type[Exception], Any] = dict.fromkeys(OUTAGES, _answer_outage)
    handlers[asyncpg.InterfaceError] = _answer_interface_error
    return handlers


def _answer_outage(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.warning("dependency_away", reason=type(error).__name__, route=request.scope.get("path_template"))
    shown = DatabaseUnavailableError("A dependency did not answer in time; try again.")
    return problem_response(shown, instance=request.scope["path"])


def _answer_interface_error(request: Request[Any, Any, Any], error: asyncpg.InterfaceError) -> Response[Any]:
    """Tell a connection lost between two statements from a misuse of the driver, a bug: both are this error."""
    text = str(error)
    if "closed" in text or "closing" in text:
        return _answer_outage(request, error)
    return answer_unexpected(request, error)
