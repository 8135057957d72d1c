"""What can stop a worker without anything being wrong with the events, and what that is told by."""

from collections.abc import Collection

import asyncpg
import msgspec

from shared_kernel.database.transactions import DatabaseUnavailableError


class LeaseLostError(Exception):
    """Another worker has the shard: forget everything held in memory about it.

    Args:
        shards: which, where the batch was of several.
    """

    def __init__(self, message: str, *, shards: Collection[int] = ()) -> None:
        super().__init__(message)
        self.shards = frozenset(shards)


class CheckpointMovedError(Exception):
    """A checkpoint is not where this worker left it: load again and start over."""


DATABASE_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a session that is ended in the middle of its messages
    DatabaseUnavailableError,
    TimeoutError,
    OSError,
)
"""What a database that is away, slow or busy raises: the same may succeed later."""

REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    msgspec.MsgspecError,
    TypeError,
    ValueError,
    OverflowError,
)
"""What says that a value itself is unacceptable, so that trying the same again cannot help."""


_AWAY = (
    ConnectionError,  # and no other OSError: an archive that cannot be read is one tenant's
    DatabaseUnavailableError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it is being shut down, or has ended this session
)


def is_database_away(error: BaseException) -> bool:
    """Whether it is not about what was asked: anything else would have failed too."""
    return isinstance(error, _AWAY) and not isinstance(error, asyncpg.QueryCanceledError | TimeoutError)


def is_database_failure(error: BaseException) -> bool:
    """Whether trying again may help: the database failed, and not over what it was given or asked."""
    return isinstance(error, DATABASE_FAILURES) and not isinstance(error, (*REFUSALS, asyncpg.SyntaxOrAccessError))
