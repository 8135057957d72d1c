"""Running a batch: each command by itself, or all of them in one transaction."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import msgspec

from shared_kernel.access.principals import Principal
from shared_kernel.errors import FieldError, ForbiddenError, InFlightError, PreconditionRequiredError, ShelfWiseError
from shared_kernel.http.problems import status_of
from shared_kernel.http.request_headers import IdempotencyKeyRequiredError
from write_side.batch.commands import BatchDone, BatchItem, ItemDone, ItemOutcome, ItemProblem
from write_side.batch.errors import PartlyDoneBefore, UnknownCommand
from write_side.batch.registry import BatchCommand
from write_side.command_execution.execution import CommandExecution, Decide
from write_side.command_execution.idempotency import ALREADY_ANSWERED, IN_FLIGHT, claim_of, claim_statement
from write_side.command_execution.requests import Answer, CommandRequest, Outcome, StoredHeaders
from write_side.command_execution.unit_of_work import UnitOfWork

# The counter's row is locked one statement before the events are appended: where they will be is known from then on.
_KEEP_ANSWERS: Final = """
WITH head AS (SELECT position FROM log.tenant_head WHERE tenant_id = $1 FOR UPDATE)
INSERT INTO access.idempotent_response (tenant_id, key_digest, operation, request_digest, status, headers, body,
                                        position, created_at)
SELECT $1, a.key_digest, a.operation, a.request_digest, a.status, a.headers::jsonb, a.body,
       head.position + a.offset_, $9
FROM head CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::bytea[], $8::int[])
    AS a(key_digest, operation, request_digest, status, headers, body, offset_)
"""
_encoder = msgspec.json.Encoder()


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs a batch, and how."""

    principal: Principal
    request_id: str
    traceparent: str
    dry_run: bool


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a batch that can be run."""

    name: str
    request: CommandRequest
    decide: Decide


class _NotAnswered(ShelfWiseError):
    """The key has no answer yet."""


class _Undone(ShelfWiseError):
    """A command of a transaction was refused."""

    def __init__(self, index: int, reason: ShelfWiseError) -> None:
        super().__init__(reason.detail)
        self.index = index
        self.reason = reason


class Batch:
    """Runs batches of the commands there are."""

    def __init__(self, execution: CommandExecution, commands: Mapping[str, BatchCommand]) -> None:
        self._execution = execution
        self._commands = commands

    def cost_of(self, items: Sequence[BatchItem]) -> int:
        """In units of the rate limits: what its commands cost by themselves; one where there is no such command."""
        known = (self._commands.get(item.command) for item in items)
        return sum(1 if command is None else command.declaration.cost for command in known)

    async def one_by_one(self, items: Sequence[BatchItem], context: Context) -> BatchDone:
        """Each in a transaction of its own, in their order; one that is refused does not stop the others.

        One that found the database away does: it may be done yet and must not be overtaken, and nobody waits for all.
        """
        found: list[ItemDone] = []
        for item in items:
            found.append(await self._one(item, context))
            if found[-1].status == HTTPStatus.SERVICE_UNAVAILABLE:
                break
        is_complete = len(found) == len(items) and all(one.problem is None for one in found)
        found += [_left(item.command, "not_tried") for item in items[len(found) :]]
        return BatchDone(complete=is_complete, items=tuple(found))

    async def together(self, items: Sequence[BatchItem], context: Context) -> BatchDone:
        """All in one transaction; where one is refused, nothing of any of them is done."""
        prepared: list[Prepared] = []
        for index, item in enumerate(items):
            try:
                prepared.append(await self._prepared(item, context))
            except ShelfWiseError as error:
                return _undone(items, index, error, tried=False)
        keyless = [index for index, one in enumerate(prepared) if one.request.idempotency is None]
        if 0 < len(keyless) < len(prepared):
            # No answer would be kept of it: retried, the transaction could not be found again as a whole.
            return _undone(items, keyless[0], IdempotencyKeyRequiredError(), tried=False)
        try:
            return await self._transaction(prepared, context)
        except _Undone as undone:
            return _undone(items, undone.index, undone.reason, tried=True)

    async def _one(self, item: BatchItem, context: Context) -> ItemDone:
        try:
            prepared = await self._prepared(item, context)
            answer = await self._execution.execute(prepared.request, prepared.decide)
        except ShelfWiseError as error:
            return _refused(item.command, error)
        return _done(item.command, answer)

    async def _prepared(self, item: BatchItem, context: Context) -> Prepared:
        command = self._commands.get(item.command)
        if command is None:
            fault = FieldError(pointer="/command", code="unknown_command", detail=f"one of {sorted(self._commands)}")
            raise UnknownCommand("no command that a batch takes has this name", errors=(fault,))
        declaration = command.declaration
        if context.principal.role not in declaration.policy.roles:
            raise ForbiddenError(f"A key with the role {context.principal.role.value} may not do this.")
        if declaration.idempotency == "required" and item.idempotency_key is None:
            raise IdempotencyKeyRequiredError
        asked = await command.asked(item.payload)
        actor, key = str(context.principal.id), item.idempotency_key
        claim = None
        if key is not None and declaration.idempotency != "none":
            claim = claim_of(actor=actor, operation=asked.operation, key=key, request=asked.request)
        request = CommandRequest(
            tenant=context.principal.tenant,
            operation=asked.operation,
            actor=actor,
            idempotency=claim,
            if_match=item.if_match,
            if_match_required=declaration.if_match == "required",
            dry_run=context.dry_run,
            request_id=context.request_id,
            traceparent=context.traceparent,
        )
        return Prepared(name=item.command, request=request, decide=asked.decide)

    async def _transaction(self, prepared: Sequence[Prepared], context: Context) -> BatchDone:
        whole = CommandRequest(
            tenant=context.principal.tenant,
            operation="batch",
            actor=str(context.principal.id),
            dry_run=context.dry_run,
            request_id=context.request_id,
            traceparent=context.traceparent,
        )
        together = _Together(prepared)
        try:
            answer = await self._execution.execute(whole, together.decide)
        except _AlreadyDone:
            return await self._done_before(prepared)
        base = None if answer.position is None else answer.position - sum(together.events)
        items = together.items(base)
        return BatchDone(complete=True, items=tuple(items))

    async def _done_before(self, prepared: Sequence[Prepared]) -> BatchDone:
        """The answers of a transaction that was committed before."""
        found: list[ItemDone] = []
        for index, one in enumerate(prepared):
            try:
                found.append(_done(one.name, await self._execution.execute(one.request, _not_answered)))
            except _NotAnswered:
                message = "some of these commands were done before, by themselves: give them new keys"
                raise _Undone(index, PartlyDoneBefore(message)) from None
            except ShelfWiseError as error:
                raise _Undone(index, error) from None
        return BatchDone(complete=True, items=tuple(found))


class _AlreadyDone(ShelfWiseError):
    """A key of the transaction has an answer."""


class _Together:
    """Many commands as one decision."""

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        self._prepared = prepared
        self._outcomes: list[Outcome] = []
        self.events: list[int] = []

    async def decide(self, work: UnitOfWork) -> Outcome:
        """Each in its order, on what those before it left."""
        self._outcomes, self.events = [], []  # a race lost begins again
        for index, one in enumerate(self._prepared):
            unit = UnitOfWork(connection=work.connection, request=one.request, now=work.now, make_id=work.new_id)
            try:
                await _claim(unit, one.request)
                self._outcomes.append(await one.decide(unit))
            except _AlreadyDone:
                raise
            except ShelfWiseError as error:
                raise _Undone(index, error) from error
            work.events.extend(unit.events)
            self.events.append(len(unit.events))
        await self._keep_answers(work)
        return Outcome(data=BatchDone(complete=True, items=()), version=None)

    def items(self, base: int | None) -> list[ItemDone]:
        """What each became, its last event after `base`."""
        found: list[ItemDone] = []
        for index, (one, outcome) in enumerate(zip(self._prepared, self._outcomes, strict=True)):
            position = None if base is None else base + sum(self.events[: index + 1])
            status = outcome.status if base is not None else 200
            data = _encoder.encode(outcome.data)
            found.append(_done(one.name, Answer(status=status, data=data, position=position)))
        return found

    async def _keep_answers(self, work: UnitOfWork) -> None:
        rows = [
            (
                claim.key_digest,
                one.request.operation,
                claim.request_digest,
                outcome.status,
                _encoder.encode(StoredHeaders(location=outcome.location, version=outcome.version)).decode(),
                _encoder.encode(outcome.data),
                sum(self.events[: index + 1]),
            )
            for index, (one, outcome) in enumerate(zip(self._prepared, self._outcomes, strict=True))
            if (claim := one.request.idempotency) is not None
        ]
        if rows and not self._prepared[0].request.dry_run:
            columns = (list(column) for column in zip(*rows, strict=True))
            await work.connection.execute(_KEEP_ANSWERS, work.tenant.id, *columns, work.now)


async def _claim(unit: UnitOfWork, request: CommandRequest) -> None:
    if request.if_match_required and request.if_match is None:
        message = "give if_match with the version you have read"
        raise PreconditionRequiredError(message)
    if request.idempotency is None or request.dry_run:
        return
    try:
        await unit.connection.execute(claim_statement(request.tenant.id, request.idempotency))
    except asyncpg.PostgresError as error:
        if error.sqlstate == IN_FLIGHT:
            raise InFlightError("a request with this Idempotency-Key is still being answered; try again") from None
        if error.sqlstate == ALREADY_ANSWERED:
            raise _AlreadyDone("done before") from None
        raise


async def _not_answered(_work: UnitOfWork) -> Outcome:
    raise _NotAnswered("no answer is stored")


def _done(name: str, answer: Answer) -> ItemDone:
    data: dict[str, Any] = answer.read(dict[str, Any])  # Any: the command's own answer
    return ItemDone(
        command=name,
        outcome="replayed" if answer.replayed else "done",
        status=answer.status,
        position=answer.position,
        data=data,
        problem=None,
    )


def _refused(name: str, error: ShelfWiseError) -> ItemDone:
    problem = ItemProblem(title=error.title, detail=error.detail, code=error.code, errors=error.errors)
    return ItemDone(command=name, outcome="refused", status=status_of(error), position=None, data=None, problem=problem)


def _left(name: str, outcome: ItemOutcome) -> ItemDone:
    return ItemDone(command=name, outcome=outcome, status=None, position=None, data=None, problem=None)


def _undone(items: Sequence[BatchItem], index: int, reason: ShelfWiseError, *, tried: bool) -> BatchDone:
    found = [
        _refused(item.command, reason)
        if at == index
        else _left(item.command, "undone" if tried and at < index else "not_tried")
        for at, item in enumerate(items)
    ]
    return BatchDone(complete=False, items=tuple(found))
