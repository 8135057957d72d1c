"""State and rows in one statement: one round trip and one moment, with no transaction to begin or to end."""

from functools import lru_cache
from typing import Final

from read_side.query_execution.answers import Argument, Record, Snapshot
from read_side.query_execution.asking import Asked
from read_side.query_execution.errors import ViewNotBuiltError
from shared_kernel.database.pool import Connection
from shared_kernel.redis.state import NOTHING_PROJECTED, ProjectionState, decode_state

_MAX_STATEMENTS: Final = 1024
"""As many as lists have shapes, and some more."""
_GUESSES: Final = 3
"""Builds change once a rebuild: the second guess is right, but for a cut-over in between."""

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


class OneStatement(Snapshot):
    """For a fetch that runs one statement; the state is known afterwards."""

    def __init__(self, *, connection: Connection, asked: Asked, likely_build: int) -> None:
        super().__init__(connection=connection, tenant_id=asked.tenant_id, state=NOTHING_PROJECTED)
        self._asked = asked
        self._likely_build = likely_build
        self._is_read = False

    async def rows(self, statement: str, *arguments: Argument) -> list[Record]:
        """As everywhere. The build is guessed; where it is another by now, the statement is run again."""
        if self._is_read:
            raise SecondStatementError(self._asked.view.label)
        self._is_read = True
        build, view = self._likely_build, self._asked.view
        text = _with_state(statement, 2 + len(arguments))
        for _ in range(_GUESSES):
            records = await self.connection.fetch(text, self.tenant_id, build, *arguments, view.name, view.version)
            self._state = _state_of(records[0])
            if self._state.build == build:
                return [record for record in records if record["is_row"]]
            build = self._state.build
        raise ViewNotBuiltError("the view is being replaced; try again", retry_after_seconds=1)


@lru_cache(maxsize=_MAX_STATEMENTS)
def _with_state(statement: str, parameters: int) -> str:
    # Put together of constants of ours; what a client sends is bound.
    return _STATEMENT % {"statement": statement, "name": parameters + 1, "version": parameters + 2}


def _state_of(record: Record) -> ProjectionState:
    text: str | None = record["state_text"]
    return NOTHING_PROJECTED if text is None else decode_state(text.encode("ascii"))
