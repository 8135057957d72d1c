"""Connection pools whose every wait has a bound."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import asyncpg
import msgspec
import structlog

Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
Pool: TypeAlias = asyncpg.Pool
OpeningPool: TypeAlias = AbstractAsyncContextManager[Pool]
"""What `async with` makes a pool of."""


KEYED_LOOK_UPS: Mapping[str, str] = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}
"""For roles that look rows up by key, thousands at a time. A young table has no statistics, and without them PostgreSQL
would rather read all of it and hash it: seventy times the pages."""
PLANNED_ONCE: Mapping[str, str] = {**KEYED_LOOK_UPS, "plan_cache_mode": "force_generic_plan"}
"""For roles that do nothing else. PostgreSQL sees how few values an array has, and would plan such a statement anew
each time, which takes as long as running it; by key there is only one plan to find."""

IN_INDEX_ORDER: Mapping[str, str] = {
    **PLANNED_ONCE,
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
}
"""For connections whose every statement reads some rows that an index holds side by side, in its order. Planned without
the values, PostgreSQL would think of the average store, and rather sort what in a large one is a million rows."""


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections, and how long anything on them may take. Seconds."""

    application_name: str
    min_size: int = 1
    max_size: int = 10
    acquire_timeout_seconds: float = 1.5
    """Below the two seconds in which the contract answers 503."""
    command_timeout_seconds: float = 10.0
    """Ends the wait for a backend that hangs, which no health check notices."""
    statement_timeout_seconds: float = 8.0
    idle_in_transaction_timeout_seconds: float = 5.0
    """A frozen process loses its locks after this long: the log's head and the leases depend on it."""
    lock_timeout_seconds: float = 4.0
    planner: Mapping[str, str] = {}
    """Settings of the query planner, for roles whose every statement is of one kind."""


_LONGEST_STATEMENT = 131_072
"""Bytes; the projector's statements over all views are several times the 15 kB that asyncpg would prepare once."""


_log = structlog.get_logger(component="database")
_CLOSING_SECONDS = 3.0
"""For the server to say good-bye; one that hangs must not hold up the end of a process, which ten seconds later is
killed by whoever asked it to end."""


async def _keep_session(_connection: Connection) -> None:
    """No reset query at release: all session state here is SET LOCAL, which ends with its transaction."""


@asynccontextmanager
async def build_pool(url: str, settings: PoolSettings) -> AsyncIterator[Pool]:
    """A pool that connects when entered (`async with`), never before, and ends in time whatever its database does.

    Args:
        url: `postgresql://role:password@host:port/database`.
        settings: sizes and bounds.
    """
    milliseconds = {
        "statement_timeout": settings.statement_timeout_seconds,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout_seconds,
        "lock_timeout": settings.lock_timeout_seconds,
    }
    pool = await asyncpg.create_pool(
        url,
        min_size=settings.min_size,
        max_size=settings.max_size,
        command_timeout=settings.command_timeout_seconds,
        timeout=settings.acquire_timeout_seconds,
        max_inactive_connection_lifetime=300,
        max_cacheable_statement_size=_LONGEST_STATEMENT,
        reset=_keep_session,
        server_settings={
            "application_name": settings.application_name,
            "jit": "off",
            **settings.planner,
            **{name: str(int(seconds * 1000)) for name, seconds in milliseconds.items()},
        },
    )
    try:
        yield pool
    finally:
        await _close(pool, settings.application_name)


@asynccontextmanager
async def opened_together(*openings: OpeningPool) -> AsyncIterator[tuple[Pool, ...]]:
    """Several pools, which are closed at the same time: together they take as long as the slowest of them."""
    opened: list[OpeningPool] = []
    pools: list[Pool] = []
    try:
        for opening in openings:
            pools.append(await opening.__aenter__())
            opened.append(opening)
        yield tuple(pools)
    finally:
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in opened))


async def _close(pool: Pool, application_name: str) -> None:
    try:
        async with asyncio.timeout(_CLOSING_SECONDS):
            await pool.close()
    except TimeoutError:
        # Interrupted, it has cut its connections off; their transactions end with them.
        _log.warning("pool_cut_off", pool=application_name)
