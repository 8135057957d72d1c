"""State and rows in one statement: one round trip and one moment, with no transaction to begin or to end."""

from functools import lru_cache
from typing import Final

import msgspec

from read_side.query_execution.answers import Argument, Record, Snapshot
from read_side.query_execution.asking import Asked
from read_side.query_execution.errors import ViewNotBuiltError
from shared_kernel.database.kept import KeptConnections
from shared_kernel.database.pool import Pool
from shared_kernel.redis.state import NOTHING_PROJECTED, ProjectionState, decode_state

_MAX_STATEMENTS: Final = 1024
"""As many as lists have shapes, and some more."""
_GUESSES: Final = 3
"""Builds change once a rebuild: the second guess is right, but for a cut-over in between."""

_KEPT_TENTHS: Final = 5
"""Of the connections for every kind of statement, for pages that must be planned; sums take one for longer. Of eight
that is four: two slow pages of one store must not hold up every other store's."""

# The tenant is named first: each part hangs on the one before (LATERAL, LIMIT; an outer join without a condition can
# only loop), so nothing is read before the policies know whose rows may be. In any other order there would be none.
_STATEMENT: Final = """
WITH named AS MATERIALIZED (SELECT set_config('app.tenant_id', $1::uuid::text, true)::uuid AS tenant_id)
SELECT state.text AS state_text, page.*
FROM named
LEFT JOIN LATERAL (
    SELECT concat_ws('|', c.build, c.revision, c.position,
                     coalesce((extract(epoch FROM c.as_of) * 1000000)::bigint, 0), c.parked, c.rows) AS text
    FROM read.active_build b
    JOIN projection.checkpoint c USING (tenant_id, name, version, build)
    WHERE b.tenant_id = named.tenant_id AND b.name = $%(name)d::text AND b.version = $%(version)d::int
    LIMIT 1
) AS state ON true
LEFT JOIN LATERAL (SELECT true AS is_row, asked.* FROM (%(statement)s) AS asked) AS page ON true
"""
PAGE_BEGINS: Final = _STATEMENT[: _STATEMENT.index("\nSELECT state")]
"""What tells such a statement from others."""


class SecondStatementError(RuntimeError):
    """A fetch that was to need one statement ran another, which would be of another moment: a bug."""


class PageConnections(msgspec.Struct, frozen=True, kw_only=True):
    """What single statements run on.

    Attributes:
        planned: for their values, each time: PostgreSQL takes twice as long over that as over a page.
        in_index_order: once, for all values: there is no choice (`IN_INDEX_ORDER`).
    """

    planned: KeptConnections
    in_index_order: KeptConnections

    @classmethod
    def kept(cls, pool: Pool, pages: Pool) -> "PageConnections":
        """Some of one pool's, and all of one whose settings are `IN_INDEX_ORDER`."""
        return cls(
            planned=KeptConnections(pool, most=max(1, pool.get_max_size() * _KEPT_TENTHS // 10)),
            in_index_order=KeptConnections(pages, most=pages.get_max_size()),
        )

    async def aclose(self) -> None:
        """Leave all to their pools."""
        await self.planned.aclose()
        await self.in_index_order.aclose()


class OneStatement(Snapshot):
    """For a fetch that runs one statement; the state is known afterwards."""

    def __init__(self, *, connections: PageConnections, asked: Asked, likely_build: int) -> None:
        self._connections = connections
        self._asked = asked
        self._likely_build = likely_build
        self._state = NOTHING_PROJECTED
        self._is_read = False

    async def rows(self, statement: str, *arguments: Argument) -> list[Record]:
        """As everywhere. The build is guessed; where it is another by now, the statement is run again."""
        return await self._read(self._connections.planned, statement, arguments)

    async def rows_by_index(self, statement: str, *arguments: Argument) -> list[Record]:
        """The same without planning."""
        return await self._read(self._connections.in_index_order, statement, arguments)

    async def rows_beside(self, statement: str, *arguments: Argument) -> list[Record]:  # noqa: ARG002 - as everywhere
        """Would be a second one."""
        raise SecondStatementError(self._asked.view.label)

    async def _read(self, kept: KeptConnections, statement: str, arguments: tuple[Argument, ...]) -> list[Record]:
        if self._is_read:
            raise SecondStatementError(self._asked.view.label)
        self._is_read = True
        build, view, tenant_id = self._likely_build, self._asked.view, self._asked.tenant_id
        text = with_state(statement, 2 + len(arguments))
        async with kept.lent() as connection:
            for _ in range(_GUESSES):
                records = await connection.fetch(text, tenant_id, build, *arguments, view.name, view.version)
                self._state = _state_of(records[0])
                if self._state.build == build:
                    # The outer join has one record of nothing where there are no rows, and none where there are.
                    return records if records[0]["is_row"] else []
                build = self._state.build
        raise ViewNotBuiltError("the view is being replaced; try again", retry_after_seconds=1)


@lru_cache(maxsize=_MAX_STATEMENTS)
def with_state(statement: str, parameters: int) -> str:
    """A statement of a page with the state and the tenant around it; it has so many parameters itself."""
    # Put together of constants of ours; what a client sends is bound.
    return _STATEMENT % {"statement": statement, "name": parameters + 1, "version": parameters + 2}


def _state_of(record: Record) -> ProjectionState:
    text: str | None = record["state_text"]
    return NOTHING_PROJECTED if text is None else decode_state(text.encode("ascii"))
