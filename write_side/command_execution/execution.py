"""Runs a command from claim to ring, once per Idempotency-Key, whatever happens to the client meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import structlog

from shared_kernel.clock import Clock, system_clock
from shared_kernel.database.kept import KeptConnections
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.doorbell import Doorbell
from shared_kernel.errors import InFlightError, PreconditionRequiredError, ShelfWiseError
from shared_kernel.identifiers import new_id
from write_side.command_execution import unlocked
from write_side.command_execution.appending import append
from write_side.command_execution.contention import Contention
from write_side.command_execution.errors import (
    ConcurrentChangeError,
    OutcomeUnknownError,
    TooManyCommandsError,
)
from write_side.command_execution.idempotency import ALREADY_ANSWERED, IN_FLIGHT, claim_statement, stored_answer
from write_side.command_execution.recording import Recording
from write_side.command_execution.requests import Answer, CommandRequest, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.command_execution.unlocked import AlreadyAnswered, Overtaken, Unlocked

Decide: TypeAlias = Callable[[UnitOfWork], Awaitable[Outcome]]

_ATTEMPTS = 2
"""A command that loses a race is decided once more, on what the winner left; then the client hears of it."""
_MAX_IN_FLIGHT = 1_000
"""Far above any pool; only keeps abandoned requests from piling up without end."""
_DRAIN_SECONDS = 10.0
"""As long as the longest statement may take."""

_AWAY = (
    TimeoutError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_encoder = msgspec.json.Encoder()
log = structlog.get_logger()


class CommandExecution:
    """Executes commands on one pool. Close it before the pool."""

    def __init__(
        self,
        *,
        pool: Pool,
        doorbell: Doorbell,
        clock: Clock = system_clock,
        make_id: Callable[[], UUID] = new_id,
        patience_seconds: float | None = None,
        kept_connections: int = 0,
        on_overtaken: Callable[[str], None] = lambda _operation: None,
    ) -> None:
        """Run on a pool and ring a doorbell.

        Args:
            kept_connections: of the pool's, for command after command; further commands ask the pool.
            on_overtaken: told the operation of each command that was decided without locks in vain.
            patience_seconds: how long a caller is kept waiting; the command goes on without them. None for no bound
                but those of the pool.
        """
        self._patience_seconds = patience_seconds
        self._pool = pool
        self._kept = KeptConnections(pool, most=kept_connections)
        self._doorbell = doorbell
        self._clock = clock
        self._make_id = make_id
        self._on_overtaken = on_overtaken
        self._contention = Contention()
        self._running: set[asyncio.Task[Answer]] = set()

    async def execute(
        self, request: CommandRequest, decide: Decide, *, without_locks: Unlocked | None = None
    ) -> Answer:
        """Decide and commit; a caller who is cancelled or kept too long leaves, the command goes on to its end.

        Args:
            decide: a handler with its command; run again from the start when a race was lost.
            without_locks: the same command, to be tried first where that promises to succeed.

        Raises:
            ShelfWiseError: the handler's own, or one of `command_execution.errors`.
        """
        if len(self._running) >= _MAX_IN_FLIGHT:
            raise TooManyCommandsError
        task = asyncio.create_task(self._until_decided(request, decide, without_locks), name=request.operation)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._patience_seconds)
        except asyncio.CancelledError:
            task.add_done_callback(_account_for)
            raise
        if not done:
            task.add_done_callback(_account_for)
            raise OutcomeUnknownError
        return task.result()

    async def aclose(self) -> None:
        """Let what is running come to its end, for a bounded time."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=_DRAIN_SECONDS)
        await self._kept.aclose()

    async def _until_decided(self, request: CommandRequest, decide: Decide, without_locks: Unlocked | None) -> Answer:
        for attempt in self._attempts(request, decide, without_locks):
            try:
                answer = await attempt()
            except asyncpg.PostgresError as error:
                answer = await self._after_failure(request, error)
            except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                if isinstance(error, ValueError):  # an argument of ours that does not fit its column: a bug
                    raise
                raise OutcomeUnknownError from error
            if answer is not None:
                return answer
        raise ConcurrentChangeError

    def _attempts(
        self, request: CommandRequest, decide: Decide, without_locks: Unlocked | None
    ) -> Iterator[Callable[[], Awaitable[Answer | None]]]:
        """What to try one after the other, until there is an answer."""
        if without_locks is not None and self._goes_without_locks(request):
            yield partial(self._attempt_unlocked, request, without_locks)
        for _ in range(_ATTEMPTS):
            yield partial(self._attempt, request, decide)

    def _goes_without_locks(self, request: CommandRequest) -> bool:
        """Not what is tried for show, and nothing without a key: the key's row is what makes it happen once."""
        is_plain = request.idempotency is not None and not request.dry_run
        is_plain = is_plain and request.if_match is None and not request.if_match_required
        return is_plain and self._contention.is_worth_trying(request.tenant.id)

    async def _after_failure(self, request: CommandRequest, error: asyncpg.PostgresError) -> Answer | None:
        """What a failed attempt means: an earlier answer, nothing yet (decide again), or an error."""
        if error.sqlstate == IN_FLIGHT:
            raise InFlightError("a request with this Idempotency-Key is still being answered; try again") from None
        if error.sqlstate == ALREADY_ANSWERED:
            return await self._replay(request)
        if isinstance(error, _AWAY):
            raise OutcomeUnknownError from error
        if _lost_a_race(error):
            return None
        raise error

    async def _attempt(self, request: CommandRequest, decide: Decide) -> Answer:
        claim = request.idempotency
        # A dry run leaves no answer behind, so it neither claims nor finds one.
        claiming = claim_statement(request.tenant.id, claim) if claim and not request.dry_run else ""
        async with self._transaction(request.tenant.id, claiming) as connection:
            if request.if_match_required and request.if_match is None:
                message = 'send If-Match with the version you have read, such as "3"'
                raise PreconditionRequiredError(message)
            now = self._clock()
            work = UnitOfWork(
                connection=connection,
                request=request,
                now=now,
                make_id=self._make_id,
                saves_last=not request.dry_run,
            )
            outcome = await decide(work)
            if request.dry_run:
                return Answer(status=200, data=_encoder.encode(outcome.data), position=None)
            answer = _answer(outcome)
            position = await append(
                connection, request, events=work.events, answer=answer, now=now, saving=work.saved_last
            )
            await _commit(connection)
        self._doorbell.ring(request.tenant.id, position)
        return msgspec.structs.replace(answer, position=position)

    async def _attempt_unlocked(self, request: CommandRequest, command: Unlocked) -> Answer | None:
        """None where others were there first, or the answer would be no: nothing has happened then."""
        try:
            async with self._lent() as connection:
                rows = await unlocked.look(connection, request, command.look)
        except AlreadyAnswered:
            return await self._replay(request)
        recording = Recording(request=request, now=self._clock(), make_id=self._make_id)
        try:
            decided = command.decide(rows, recording)
        except ShelfWiseError:
            # Nobody has claimed the key: the same request may be under way, and succeed after its retry was told no.
            return None
        answer = _answer(decided.outcome)
        try:
            async with self._lent() as connection:
                position = await unlocked.write(connection, request, decided, recording=recording, answer=answer)
        except Overtaken:
            self._contention.lost(request.tenant.id)
            self._on_overtaken(request.operation)
            return None
        self._contention.won(request.tenant.id)
        self._doorbell.ring(request.tenant.id, position)
        return msgspec.structs.replace(answer, position=position)

    def _lent(self) -> AbstractAsyncContextManager[Connection]:
        return self._kept.lent() if self._kept.has_one else lent(self._pool)

    def _transaction(self, tenant_id: UUID, preamble: str) -> AbstractAsyncContextManager[Connection]:
        if self._kept.has_one:
            return self._kept.transaction(tenant_id=tenant_id, preamble=preamble)
        return transaction(self._pool, tenant_id=tenant_id, preamble=preamble)

    async def _replay(self, request: CommandRequest) -> Answer | None:
        try:
            return await stored_answer(self._pool, request)
        except _AWAY as error:
            raise OutcomeUnknownError from error


async def _commit(connection: Connection) -> None:
    await connection.execute("COMMIT")


def _answer(outcome: Outcome) -> Answer:
    return Answer(
        status=outcome.status,
        data=_encoder.encode(outcome.data),
        position=None,
        location=outcome.location,
        version=outcome.version,
    )


def _lost_a_race(error: asyncpg.PostgresError) -> bool:
    """Whether another transaction took a stream version (or a key no handler foresaw), or a circle of locks broke."""
    return isinstance(error, asyncpg.UniqueViolationError | asyncpg.DeadlockDetectedError | asyncpg.SerializationError)


def _account_for(task: asyncio.Task[Answer]) -> None:
    """The client left, so nobody else will hear of a failure."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, ShelfWiseError):
        log.error("abandoned_command_failed", operation=task.get_name(), exc_info=error)
