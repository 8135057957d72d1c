"""Whether this release's versions of the views have been built: until then the gateway keeps to the release before."""

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg

from read_side.views import VIEWS
from shared_kernel.database.pool import Pool
from shared_kernel.errors import UnavailableError

_UNBUILT: Final = "SELECT projection.unbuilt($1::text[], $2::int[])"
_UNBUILT_SECONDS: Final = 0.5
"""Within a check's own second; without PostgreSQL, Redis still answers for views that were built long ago."""


class ViewsBuilt:
    """Red until every store can be answered from this release's versions; once green it stays so.

    A store that comes by way of another release later is answered 503 for the seconds that its build takes.
    """

    def __init__(self, pool: Callable[[], Pool]) -> None:
        self._pool = pool
        self._is_built = False

    async def check(self) -> None:
        """Nothing, or UnavailableError naming what is being built; where nobody can say, nothing."""
        if self._is_built:
            return
        labels = [one.name for one in VIEWS], [one.version for one in VIEWS]
        try:
            async with asyncio.timeout(_UNBUILT_SECONDS):
                unbuilt: list[str] = await self._pool().fetchval(_UNBUILT, *labels)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, OSError):
            return
        if unbuilt:
            raise UnavailableError(f"being built: {', '.join(unbuilt)}")
        self._is_built = True
