"""What each request and each command of this process asks of PostgreSQL and of Redis; on in every test."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import asyncpg

from read_side.query_execution.one_statement import PAGE_BEGINS
from read_side.query_execution.table import STATE
from shared_kernel.http.context import RequestContext, request_variable
from shared_kernel.redis.wire import Wire

MAX_REPEATED: Final = 3
"""A command that lost a race is decided twice, and a page guesses a build; what comes oftener grows with the data."""
MAX_PAGES: Final = 6
"""Three readings, where those before were older than what is asked for, each of which may guess a build."""
_POLLED: Final = frozenset({STATE})
"""Asked again and again by who waits for a position: bounded by time, not by data."""
_COMMAND: Final = "CommandExecution._until_decided"
_BESIDE: Final = frozenset({"RedisDoorbell._spread", "raise_heads", "QueryCache._store"})
"""Tasks that a request leaves behind and nobody waits for."""


class Trips:
    """Of one request, or one command."""

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.statements: list[str] = []
        self.redis = 0

    @property
    def count(self) -> tuple[int, int]:
        """Round trips to PostgreSQL and to Redis."""
        return len(self.statements), self.redis

    def repeated(self) -> list[str]:
        """Statements that were sent so often that there is a loop around them."""
        counted = Counter(text for text in self.statements if text not in _POLLED and not _is_bracket(text))
        return [text for text, times in counted.items() if times > _bound(text)]


class RoundTrips:
    """All of one test; owners are kept alive, so that no two of them are taken for one."""

    def __init__(self) -> None:
        self._of: dict[int, Trips] = {}

    def begin(self) -> None:
        """Forget the test before."""
        self._of.clear()

    def of_requests(self) -> list[Trips]:
        """In the order in which requests first asked for anything."""
        return [trips for trips in self._of.values() if isinstance(trips.owner, RequestContext)]

    def repeated(self) -> list[str]:
        """Of a command, and of a request outside of commands: what was sent in a loop.

        A request of many commands, a batch, repeats what each of them says: they answer for themselves.
        """
        many = sum(not isinstance(trips.owner, RequestContext) for trips in self._of.values()) > 1
        judged = (trips for trips in self._of.values() if not (many and isinstance(trips.owner, RequestContext)))
        return [text for trips in judged for text in trips.repeated()]

    def note_statement(self, text: str) -> None:
        """One to PostgreSQL."""
        for trips in self._current():
            trips.statements.append(text)

    def note_redis(self) -> None:
        """One to Redis."""
        for trips in self._current():
            trips.redis += 1

    def _current(self) -> list[Trips]:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return []
        name = getattr(task.get_coro(), "__qualname__", "") if task else ""
        if name in _BESIDE:
            return []
        owners = [task if name == _COMMAND else None, request_variable.get(None)]
        return [self._of.setdefault(id(owner), Trips(owner)) for owner in owners if owner is not None]


ROUND_TRIPS: Final = RoundTrips()


def install() -> None:
    """Listen to every connection that this process will ever open."""
    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        setattr(asyncpg.Connection, name, _noted(getattr(asyncpg.Connection, name)))
    queue = Wire._queue  # noqa: SLF001 - where everything that is sent goes through

    def noted(self: Wire, packed: bytes, awaited: Any) -> None:  # noqa: ANN401 - handed on
        ROUND_TRIPS.note_redis()
        queue(self, packed, awaited)

    Wire._queue = noted  # type: ignore[method-assign]  # noqa: SLF001 - as above


def _noted(method: Callable[..., Any]) -> Callable[..., Any]:  # Any: asyncpg's methods as they are
    @wraps(method)
    async def noted(self: asyncpg.Connection, statement: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - handed on
        ROUND_TRIPS.note_statement(statement)
        return await method(self, statement, *arguments, **options)

    return noted


def _bound(text: str) -> int:
    return MAX_PAGES if text.startswith(PAGE_BEGINS) else MAX_REPEATED


def _is_bracket(text: str) -> bool:
    return text.startswith(("BEGIN", "ROLLBACK", "COMMIT"))
