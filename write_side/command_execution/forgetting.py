"""Stored answers are kept for seven days; a bounded sweep forgets older ones."""

import asyncio

import asyncpg
import structlog

from shared_kernel.database.pool import Pool

MAX_FORGOTTEN_PER_PASS = 5_000
"""A pass ends well below the statement timeout; what is left waits for the next."""
_INTERVAL_SECONDS = 60.0

log = structlog.get_logger()


async def forget_old_answers(pool: Pool) -> int:
    """One pass over all tenants: how many answers were forgotten. The age is fixed in the database's function."""
    async with pool.acquire(timeout=1.5) as connection:
        return int(await connection.fetchval("SELECT access.forget_old_responses($1)", MAX_FORGOTTEN_PER_PASS))


async def keep_forgetting(pool: Pool, *, interval_seconds: float = _INTERVAL_SECONDS) -> None:
    """Sweep until cancelled. A database that is away is tried again at the next turn."""
    while True:
        try:
            forgotten = await forget_old_answers(pool)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("old_answers_not_forgotten", reason=type(error).__name__)
        else:
            log.debug("old_answers_forgotten", count=forgotten)
        await asyncio.sleep(interval_seconds)
