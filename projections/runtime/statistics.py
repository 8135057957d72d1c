"""Statistics for builds that grow faster than autovacuum looks: without them PostgreSQL takes any index for as good.

A build is analysed when it has grown by half since it last was, so a million rows cost some twenty short looks.
"""

from collections.abc import Iterable

from projections.runtime.checkpoints import BuildId, Checkpoint
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction

_FEWEST_ROWS = 1_000
"""Below this every plan is a good plan."""
_GROWTH = 0.5


class Statistics:
    """How far the builds that this worker fills have grown since it had them analysed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._analysed: dict[BuildId, int] = {}
        self._grown: dict[BuildId, int] = {}

    async def note(self, before: Iterable[Checkpoint], after: Iterable[Checkpoint]) -> None:
        """Count the rows a batch added, and analyse the builds that are due."""
        rows = {one.id: one.rows for one in before}
        for one in after:
            build = one.build_id
            self._grown[build] = self._grown.get(build, 0) + max(0, one.rows - rows.get(one.id, one.rows))
        for build in [build for build, grown in self._grown.items() if self._is_due(build, grown)]:
            await self._analyse(build)

    def _is_due(self, build: BuildId, grown: int) -> bool:
        return grown >= max(_FEWEST_ROWS, _GROWTH * self._analysed.get(build, 0))

    async def _analyse(self, build: BuildId) -> None:
        self._analysed[build] = self._analysed.get(build, 0) + self._grown.pop(build)
        async with transaction(self._pool, tenant_id=None) as connection:
            await connection.execute(
                "SELECT projection.analyze_build($1, $2, $3)", build.name, build.version, build.build
            )
            await connection.execute("COMMIT")
