"""Connections kept from one use to the next: giving one back and taking it again costs as much as a statement."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Final
from uuid import UUID

import asyncpg

from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import (
    BEGIN_WRITE,
    acquire,
    cut_off,
    give_back,
    open_transaction,
    opening,
    roll_back,
)

_IDLE_SECONDS: Final = 60.0
"""Kept and not used for this long they go back to the pool, which closes them in time."""


class KeptConnections:
    """Some of a pool's connections. Close it before the pool."""

    def __init__(self, pool: Pool, *, most: int, idle_seconds: float = _IDLE_SECONDS) -> None:
        """Keep none at first.

        Args:
            most: of the pool's; the others are there for whoever needs one for longer.
        """
        self._pool = pool
        self._most = most
        self._idle_seconds = idle_seconds
        self._free: deque[tuple[Connection, float]] = deque()  # and since when: the last used is on the right
        self._held = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._look: asyncio.TimerHandle | None = None
        self._going: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def held(self) -> int:
        """How many the pool does not have, in use or not."""
        return self._held

    def lent(self) -> "Lent":
        """One for the length of a block, for statements that are transactions of their own.

        What goes wrong in the block ends the keeping: the pool looks after the connection then.
        """
        return Lent(self)

    @property
    def has_one(self) -> bool:
        """Whether nobody need wait for one."""
        return bool(self._free) or self._held < self._most

    def transaction(self, *, tenant_id: UUID, preamble: str = "") -> "LentTransaction":
        """One for the length of a transaction that ends rolled back unless the block ran COMMIT itself.

        Only what has committed goes on being kept.

        Args:
            tenant_id: whose rows may be seen.
            preamble: further statements without parameters, to run in the first round trip.
        """
        return LentTransaction(self, opening(BEGIN_WRITE, tenant_id, preamble))

    async def take(self) -> Connection:
        """The next one that is free.

        Raises:
            DatabaseUnavailableError: no connection in time.
        """
        while True:  # a turn for each connection that was lost meanwhile, and those are few
            while self._free:
                connection, _ = self._free.pop()
                if not _is_lost(connection):
                    return connection
                await self.drop(connection)
            if self._held < self._most:
                return await self._another()
            given = await self._turn()
            if given is None:
                continue
            if not _is_lost(given):
                return given
            await self.drop(given)

    def keep(self, connection: Connection) -> None:
        """Have one back that is as good as it was: whoever waits longest gets it."""
        if self._hand_over(connection):
            return
        if self._is_closed:  # it was in use for longer than the rest was waited for
            self._begin(self.drop(connection))
            return
        loop = asyncio.get_running_loop()
        self._free.append((connection, loop.time()))
        if self._look is None:
            self._look = loop.call_later(self._idle_seconds, self._let_idle_go)

    async def drop(self, connection: Connection) -> None:
        """Leave one to the pool, for good."""
        self._held -= 1
        self._hand_over(None)
        await give_back(self._pool, connection)

    async def aclose(self) -> None:
        """Leave all to the pool: those that are free now, those in use when they come back."""
        self._is_closed = True
        if self._look is not None:
            self._look.cancel()
            self._look = None
        while self._free:
            await self.drop(self._free.pop()[0])

    async def _another(self) -> Connection:
        self._held += 1
        try:
            return await acquire(self._pool)
        except BaseException:
            self._held -= 1
            self._hand_over(None)
            raise

    async def _turn(self) -> Connection | None:
        """Wait for a connection, or for leave to ask the pool for one (None)."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it came at the very moment of leaving: the next one's, then
                given = waiter.result()
                if given is None:
                    self._hand_over(None)
                else:
                    self.keep(given)
            raise

    def _hand_over(self, connection: Connection | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def _let_idle_go(self) -> None:
        """Those of a burst: under steady use it is always the same few that are taken, and the others grow old."""
        loop = asyncio.get_running_loop()
        idle_since = loop.time() - self._idle_seconds
        while self._free and self._free[0][1] <= idle_since:
            connection, _ = self._free.popleft()
            self._begin(self.drop(connection))
        self._look = loop.call_later(self._idle_seconds, self._let_idle_go) if self._free else None

    def _begin(self, going: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(going, name="kept connection goes back")
        self._going.add(task)
        task.add_done_callback(self._going.discard)


def _is_lost(connection: Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has noticed already
        return True


class Lent:
    """A kept connection for the length of a block."""

    __slots__ = ("_connection", "_kept")

    def __init__(self, kept: KeptConnections) -> None:
        self._kept = kept
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        self._connection = await self._kept.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        assert connection is not None
        if error is None:
            self._kept.keep(connection)
            return
        if isinstance(error, asyncio.CancelledError):
            # Broken off in a statement: the server may go on with it for as long as it likes.
            cut_off(connection)
        await self._kept.drop(connection)


class LentTransaction:
    """A kept connection for the length of a transaction."""

    __slots__ = ("_connection", "_kept", "_opening")

    def __init__(self, kept: KeptConnections, opening: str) -> None:
        self._kept = kept
        self._opening = opening
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        connection = self._connection = await self._kept.take()
        try:
            await open_transaction(connection, self._opening)
        except BaseException:
            await self._abandon(connection)
            raise
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        assert connection is not None
        # One that was lost after its COMMIT has committed all the same, and can be asked nothing.
        if error is None and not _is_lost(connection) and not connection.is_in_transaction():
            self._kept.keep(connection)
        else:
            await self._abandon(connection)

    async def _abandon(self, connection: Connection) -> None:
        try:
            await roll_back(connection)
        finally:
            await self._kept.drop(connection)
