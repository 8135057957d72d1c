"""Transactions that carry their tenant: both travel in one round trip; leaving without a commit rolls back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg

from shared_kernel.database.pool import Connection, Pool
from shared_kernel.errors import UnavailableError

_ACQUIRE_SECONDS = 1.5
"""Below the two seconds in which the contract answers 503."""
_ROLLBACK_TIMEOUT_SECONDS = 2.0
_AWAY = (
    TimeoutError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
)
BEGIN_WRITE = "BEGIN"
BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class DatabaseUnavailableError(UnavailableError):
    """PostgreSQL does not answer, or has no connection free in time."""

    code = "database_unavailable"


def tenant_setting(tenant_id: UUID) -> str:
    """The statement that names the tenant to every row-level security policy, for this transaction only.

    A UUID's text is hexadecimal and dashes, so it can stand in the statement: the simple protocol, which lets several
    statements share a round trip, binds no parameters.
    """
    return f"SET LOCAL app.tenant_id = '{UUID(bytes=tenant_id.bytes)}'"


@asynccontextmanager
async def transaction(
    pool: Pool, *, begin: str = BEGIN_WRITE, tenant_id: UUID | None, preamble: str = ""
) -> AsyncIterator[Connection]:
    """A transaction that ends rolled back unless the block ran COMMIT itself.

    Args:
        pool: of the role that acts.
        begin: one of this module's BEGIN constants.
        tenant_id: whose rows may be seen; None for roles whose policies cross tenants.
        preamble: further statements without parameters, to run in the first round trip.

    Raises:
        DatabaseUnavailableError: no connection in time.
    """
    connection = await acquire(pool)
    try:
        await open_transaction(connection, opening(begin, tenant_id, preamble))
        yield connection
    finally:
        try:
            await roll_back(connection)
        finally:
            await give_back(pool, connection)


def opening(begin: str, tenant_id: UUID | None, preamble: str) -> str:
    """The statements of a transaction's first round trip."""
    return "; ".join([begin, *([tenant_setting(tenant_id)] if tenant_id else []), *([preamble] if preamble else [])])


@asynccontextmanager
async def lent(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for single statements, each of which is a transaction of its own and names its tenant itself.

    Raises:
        DatabaseUnavailableError: no connection in time.
    """
    connection = await acquire(pool)
    try:
        yield connection
    except asyncio.CancelledError:
        # Broken off in a statement: the server may go on with it for as long as it likes.
        cut_off(connection)
        raise
    finally:
        await give_back(pool, connection)


async def acquire(pool: Pool) -> Connection:
    """A connection, to be given back.

    Raises:
        DatabaseUnavailableError: none in time.
    """
    try:
        # Not asyncpg's own timeout: that would be a task for each.
        async with asyncio.timeout(_ACQUIRE_SECONDS):
            return await pool.acquire()
    except _AWAY as error:
        message = "the database is not answering; try again"
        raise DatabaseUnavailableError(message) from error


async def give_back(pool: Pool, connection: Connection) -> None:
    """The pool has it again, or closes it if it is not well."""
    await pool.release(connection, timeout=_ACQUIRE_SECONDS)


async def open_transaction(connection: Connection, statements: str) -> None:
    """Run a transaction's first round trip; broken off in it, roll back."""
    try:
        await connection.execute(statements)
    except (asyncio.CancelledError, TimeoutError):
        # It may have begun: `is_in_transaction` repeats what the server said last, which was before.
        await _end(connection)
        raise


async def roll_back(connection: Connection) -> None:
    """End what was not committed, or the connection where it does not say that it has."""
    try:
        is_open = not connection.is_closed() and connection.is_in_transaction()
    except asyncpg.InterfaceError:  # the pool has noticed already that it is lost
        return
    if is_open:
        await _end(connection)


def cut_off(connection: Connection) -> None:
    """End a connection without a word; one that is lost already, too."""
    with suppress(asyncpg.InterfaceError):  # or the pool's complaint would stand in for why it is cut off
        connection.terminate()


async def _end(connection: Connection) -> None:
    try:
        await connection.execute("ROLLBACK", timeout=_ROLLBACK_TIMEOUT_SECONDS)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        cut_off(connection)
    except asyncio.CancelledError:
        # Broken off while it tidies up: the pool would have the connection back only once the server ends it.
        cut_off(connection)
        raise
