"""Statistics for builds that grow faster than autovacuum looks: without them PostgreSQL takes any index for as good.

A build is analysed when it has grown by half since it last was, so a million rows cost some twenty short looks.
"""

import asyncio
from collections.abc import Iterable

import structlog

from projections.runtime.checkpoints import BuildId, Checkpoint
from projections.runtime.errors import DATABASE_FAILURES
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.subscription.stopping import heed_cancellation

_FEWEST_ROWS = 1_000
"""Below this every plan is a good plan."""
_GROWTH = 0.5

log = structlog.get_logger()


class Statistics:
    """How far the builds that this worker fills have grown since it had them analysed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._analysed: dict[BuildId, int] = {}
        self._grown: dict[BuildId, int] = {}
        self._something_is_due = asyncio.Event()

    def note(self, before: Iterable[Checkpoint], after: Iterable[Checkpoint]) -> None:
        """Count the rows a batch added, and note which builds are due."""
        rows = {one.id: one.rows for one in before}
        for one in after:
            added = one.rows - rows.get(one.id, one.rows)
            if added > 0:
                build = one.build_id
                self._grown[build] = self._grown.get(build, 0) + added
                if self._is_due(build):
                    self._something_is_due.set()

    async def run(self) -> None:
        """Have what is due analysed, beside the batches, until cancelled."""
        while True:
            heed_cancellation()
            await self._something_is_due.wait()
            self._something_is_due.clear()
            for build in [build for build in self._grown if self._is_due(build)]:
                try:
                    await self._analyse(build)
                except DATABASE_FAILURES as error:
                    log.warning(
                        "build_not_analysed", projection=build.name, build=build.build, error=type(error).__name__
                    )

    def _is_due(self, build: BuildId) -> bool:
        return self._grown[build] >= max(_FEWEST_ROWS, _GROWTH * self._analysed.get(build, 0))

    async def _analyse(self, build: BuildId) -> None:
        self._analysed[build] = self._analysed.get(build, 0) + self._grown.pop(build)
        async with transaction(self._pool, tenant_id=None) as connection:
            await connection.execute(
                "SELECT projection.analyze_build($1, $2, $3)", build.name, build.version, build.build
            )
            await connection.execute("COMMIT")
