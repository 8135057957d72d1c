"""What tells that PostgreSQL is away, saturated or ending, and not that we are wrong: a 503, never a 500."""

from typing import Final

import asyncpg

OUTAGES: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresConnectionError,
    # Shut down, still starting, or ended a statement that took longer than its bound.
    asyncpg.OperatorInterventionError,
    # Connections, memory, disk.
    asyncpg.InsufficientResourcesError,
    # A lock was not had in time, or two waited for each other, or a standby took rows away: nothing was done.
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A standby that was promoted elsewhere.
    asyncpg.ReadOnlySQLTransactionError,
    # The server has said that it ends the session, and the connection has not closed yet.
    asyncpg.InternalClientError,
)
"""Raised in the middle of work; a connection that cannot be had is a `DatabaseUnavailableError` already."""

_CLOSED: Final = ("closed", "closing", "released back to the pool")
"""The last is what the driver says of a pool's connection: lost, it is the pool's again at once."""


def is_lost_connection(error: asyncpg.InterfaceError) -> bool:
    """Whether a connection was lost between two statements; a misuse of the driver, a bug, is the same error."""
    text = str(error)
    return any(word in text for word in _CLOSED)
