"""PostgreSQL's side of a query: state, rows and parked keys in one snapshot."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from read_side.query_execution.answers import Answer, Fetch, QueryT, Snapshot
from read_side.query_execution.asking import Asked
from read_side.query_execution.errors import ViewNotBuiltError
from read_side.query_execution.frozen import BuildProgress, frozen_state, progress_of
from read_side.query_execution.one_statement import OneStatement, PageConnections
from read_side.query_execution.single_flight import Flight
from shared_kernel.database.outages import OUTAGES, is_lost_connection
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, DatabaseUnavailableError, transaction
from shared_kernel.redis.state import NOTHING_PROJECTED, ProjectionState
from shared_kernel.views import WHOLE_TENANT, View

STATE: Final = """
SELECT c.build, c.revision, c.position, c.as_of, c.parked, c.rows
FROM read.active_build b
JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE b.tenant_id = $1 AND b.name = $2 AND b.version = $3
"""
# A store whose rows are in another release's table is not an empty store.
_OTHER_VERSION: Final = "SELECT EXISTS (SELECT FROM read.active_build WHERE (tenant_id, name) = ($1, $2))"
_STATE_COLUMNS: Final = ("build", "revision", "position", "as_of", "parked", "rows")
# Every version of a name: a store that has another one only is not an empty store.
_STATES: Final = """
SELECT b.name, b.version, c.build, c.revision, c.position, c.as_of, c.parked, c.rows
FROM read.active_build b
JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE b.tenant_id = $1 AND b.name = ANY($2::text[])
"""
_PARKED_FROM: Final = """
SELECT min(first_position) FROM projection.parked_key
WHERE tenant_id = $1 AND build = $2 AND name = $3 AND version = $4
"""
# Where it is not known which rows an event touches, it may be any.
_PARKED_FROM_AMONG: Final = _PARKED_FROM + "AND key = ANY($5::text[])"

_AWAY: Final[tuple[type[Exception], ...]] = (OSError, *OUTAGES)
_log = structlog.get_logger("shelfwise.queries")
_TRY_AGAIN: Final = "the database is not answering; try again"
_NOT_BUILT: Final = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one snapshot showed.

    Attributes:
        state: that the rows belong to.
        answer: None: it does not exist.
        parked_from: the first parked position of any row shown (of any row, where it is not known which are); None
            where nothing shown is parked.
    """

    state: ProjectionState
    answer: Answer | None
    parked_from: int | None = None


async def read_table(pool: Pool, asked: Asked, query: QueryT, fetch: Fetch[QueryT], *, flight: Flight) -> Reading:
    """The answer of the table now: begin, state, rows (and parked keys, where there are any), end.

    Raises:
        DatabaseUnavailableError: PostgreSQL is away or too slow.
        ViewNotBuiltError: there is no such table yet.
    """
    async with _snapshot(pool, asked.tenant_id) as connection:
        state = await _state(connection, asked)
        flight.open()
        snapshot = Snapshot(connection=connection, tenant_id=asked.tenant_id, state=state)
        answer = await fetch(snapshot, query)
        parked_from = await _parked_from(snapshot, asked, answer) if state.parked else None
        return Reading(state=state, answer=answer, parked_from=parked_from)


async def read_page(
    pool: Pool,
    asked: Asked,
    query: QueryT,
    fetch: Fetch[QueryT],
    *,
    flight: Flight,
    connections: PageConnections,
    likely_build: int,
) -> Reading:
    """The same for a fetch of one statement: one round trip, unless rows are parked.

    Args:
        pool: for the transaction that parked rows need.
        connections: for single statements.
        likely_build: that the view had a moment ago; a wrong guess costs a second round trip.

    Raises:
        DatabaseUnavailableError: PostgreSQL is away or too slow.
        ViewNotBuiltError: there is no such table yet.
    """
    with told_as_unavailable():
        snapshot = OneStatement(connections=connections, asked=asked, likely_build=likely_build)
        answer = await fetch(snapshot, query)
    if snapshot.state.parked or not snapshot.state.build:
        return await read_table(pool, asked, query, fetch, flight=flight)
    return Reading(state=snapshot.state, answer=answer)


async def read_state(pool: Pool, asked: Asked, flight: Flight) -> ProjectionState:
    """The state of the view now; raises as `read_table` does."""
    async with _snapshot(pool, asked.tenant_id) as connection:
        state = await _state(connection, asked)
        flight.open()
        return state


async def read_states(
    pool: Pool, tenant_id: UUID, views: Sequence[View[Any]], flight: Flight
) -> dict[str, ProjectionState]:
    """The states of several views in one snapshot, by label; raises as `read_table` does."""
    async with _snapshot(pool, tenant_id) as connection:
        records = await connection.fetch(_STATES, tenant_id, [view.name for view in views])
        flight.open()
    states: dict[str, ProjectionState] = {}
    for record in records:
        name, version, *values = record.values()
        states[f"{name}@{version}"] = ProjectionState(**dict(zip(_STATE_COLUMNS, values, strict=True)))
    others = {label.partition("@")[0] for label in states}
    if any(view.label not in states and view.name in others for view in views):
        raise _other_version()
    return {view.label: states.get(view.label, NOTHING_PROJECTED) for view in views}


async def read_progress(pool: Pool, tenant_id: UUID, snapshot_id: UUID) -> tuple[BuildProgress, ...]:
    """How far the views of a snapshot are; raises as `read_table` does."""
    async with _snapshot(pool, tenant_id) as connection:
        return await progress_of(connection, tenant_id, snapshot_id)


@contextmanager
def told_as_unavailable() -> Iterator[None]:
    """Turn what a database that is away raises into what a client may be told."""
    try:
        yield
    except _AWAY as error:
        _log.warning("read_database_away", error_type=type(error).__name__)
        raise DatabaseUnavailableError(_TRY_AGAIN) from error
    except asyncpg.InterfaceError as error:
        if not is_lost_connection(error):
            raise
        _log.warning("read_database_away", error_type=type(error).__name__)
        raise DatabaseUnavailableError(_TRY_AGAIN) from error
    except _NOT_BUILT as error:
        raise ViewNotBuiltError("this view is being built; try again", retry_after_seconds=5) from error


@asynccontextmanager
async def _snapshot(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    with told_as_unavailable():
        async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=tenant_id) as connection:
            yield connection


async def _state(connection: Connection, asked: Asked) -> ProjectionState:
    if asked.as_of is not None:
        return await frozen_state(connection, asked.tenant_id, asked.view, asked.as_of)
    record = await connection.fetchrow(STATE, asked.tenant_id, asked.view.name, asked.view.version)
    if record is not None:
        return ProjectionState(**dict(record))
    if await connection.fetchval(_OTHER_VERSION, asked.tenant_id, asked.view.name):
        raise _other_version()
    return NOTHING_PROJECTED


def _other_version() -> ViewNotBuiltError:
    return ViewNotBuiltError("this release's version of the view is being built", retry_after_seconds=5)


async def _parked_from(snapshot: Snapshot, asked: Asked, answer: Answer | None) -> int | None:
    """A missing entity's key counts as shown: it may be missing because it is parked."""
    keys = (asked.row,) if answer is None and asked.row is not None else None if answer is None else answer.row_keys
    arguments = (asked.view.name, asked.view.version)
    if keys is None:
        record = await snapshot.row(_PARKED_FROM, *arguments)
    else:
        record = await snapshot.row(_PARKED_FROM_AMONG, *arguments, [*keys, WHOLE_TENANT])
    return None if record is None else record[0]
