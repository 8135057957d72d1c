"""What a view's fetch is given, and what it returns."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.redis.state import ProjectionState

QueryT = TypeVar("QueryT", bound=msgspec.Struct)
# Any: asyncpg ships no types, and a record has a column of every type.
Record: TypeAlias = Any
Argument: TypeAlias = Any


class Snapshot:
    """One moment of one tenant's rows, and the state that they belong to; here a REPEATABLE READ transaction."""

    def __init__(self, *, connection: Connection, tenant_id: UUID, state: ProjectionState) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._state = state

    @property
    def state(self) -> ProjectionState:
        """Of the view."""
        return self._state

    async def rows(self, statement: str, *arguments: Argument) -> list[Record]:
        """All rows; the statement's $1 is the tenant, $2 the build, and the arguments begin at $3."""
        records: list[Record] = await self._connection.fetch(statement, self._tenant_id, self.state.build, *arguments)
        return records

    async def rows_by_index(self, statement: str, *arguments: Argument) -> list[Record]:
        """As `rows`, for a statement whose rows one index holds side by side and in order: it needs no planning."""
        return await self.rows(statement, *arguments)

    async def rows_beside(self, statement: str, *arguments: Argument) -> list[Record]:
        """Of a table that has no builds: the statement's $1 is the tenant, and the arguments begin at $2."""
        records: list[Record] = await self._connection.fetch(statement, self._tenant_id, *arguments)
        return records

    async def row(self, statement: str, *arguments: Argument) -> Record | None:
        """The first row or None; parameters as in `rows`."""
        records = await self.rows(statement, *arguments)
        return records[0] if records else None

    async def row_by_index(self, statement: str, *arguments: Argument) -> Record | None:
        """The same as `rows_by_index`: a row by its key, say."""
        records = await self.rows_by_index(statement, *arguments)
        return records[0] if records else None


class Begun(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is needed to go on with a gzip member: the CRC-32 and the length of what it holds so far."""

    checksum: int
    length: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found.

    Attributes:
        data: the encoded JSON of `data`; or, where `begun`, a gzip member that holds the envelope up to its end.
        next_cursor: where the next page begins; None without one.
        has_more: set by lists only.
        exact_count: of all pages, where the projection counts.
        row_keys: `encode_key` of each row shown, so that parked ones are told; None where it cannot be said (sums), and
            where nothing is parked, since nobody asks then.
        is_personal: whether it shows a person's data, which no cache may keep.
        begun: set where the answer was compressed; no fetch does that.
    """

    data: bytes
    next_cursor: str | None = None
    has_more: bool | None = None
    exact_count: int | None = None
    row_keys: tuple[str, ...] | None = None
    is_personal: bool = False
    begun: Begun | None = None


Fetch: TypeAlias = Callable[[Snapshot, QueryT], Awaitable[Answer | None]]
"""Reads what a resolved query asks for; None: it does not exist, which is answered with 404."""


class OneStatementFetch(msgspec.Struct, Generic[QueryT], frozen=True, kw_only=True):
    """A fetch that runs one statement and no more."""

    fetch: Fetch[QueryT]


AnyFetch: TypeAlias = Fetch[QueryT] | OneStatementFetch[QueryT]
