"""From a request to an executed command, and back to a response: what every endpoint does the same way."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias, cast

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from shared_kernel.errors import InFlightError, RateLimitedError
from shared_kernel.http.context import current_principal, current_request
from shared_kernel.http.envelope import (
    NO_META,
    CommandMeta,
    CommandReply,
    command_response,
    envelope_bytes,
)
from shared_kernel.http.request_headers import expected_version, idempotency_key, is_dry_run
from shared_kernel.http.routes import declaration_of
from shared_kernel.rate_limits.headers import headers as limit_headers
from shared_kernel.rate_limits.headers import policy_value
from shared_kernel.rate_limits.limiter import RateLimiter
from shared_kernel.rate_limits.settings import RateLimitSettings
from write_side.command_execution.errors import PlanEndedError
from write_side.command_execution.execution import CommandExecution, Decide
from write_side.command_execution.idempotency import claim_of, forget_answer
from write_side.command_execution.requests import Answer, CommandRequest, IdempotencyClaim
from write_side.command_execution.unlocked import Unlocked

# Any: Litestar's user, auth and state, which are not used.
HttpRequest: TypeAlias = Request[Any, Any, Any]
Guard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

_LIMIT_FIELDS: Final = "shelfwise.limit_fields"
"""Where the guard leaves what the limits said, for the answer."""
_PAUSES_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.7)
"""Looks at what others are doing, within the two seconds a client is kept waiting for anybody."""
_DRY_RUN_META: Final = msgspec.json.encode(CommandMeta(dry_run=True))


class CommandLimits:
    """Draws a command's cost before its body is decoded: what is refused costs next to nothing."""

    def __init__(self, limiter: RateLimiter, settings: RateLimitSettings) -> None:
        self._limiter = limiter
        self._policy = policy_value(settings)
        self._most = max(1, min(settings.tenant_burst, settings.key_burst) - 1)

    async def admit(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request pass.

        Raises:
            RateLimitedError: the tenant or the key has used up what it may.
        """
        declaration = declaration_of(handler)
        if declaration.policy.public:  # known by its signature; its address has a limit at the door
            return
        await self._draw(connection, cost=declaration.cost)

    async def draw_more(self, connection: ASGIConnection[Any, Any, Any, Any], *, cost: int) -> None:
        """Draw what the body says beyond the route's own cost, for one that asks for many things.

        No more than a full bucket has left after that: what costs more could never be admitted.

        Raises:
            RateLimitedError: the tenant or the key has used up what it may.
        """
        if cost > 0:
            await self._draw(connection, cost=min(cost, self._most))

    async def _draw(self, connection: ASGIConnection[Any, Any, Any, Any], *, cost: int) -> None:
        principal = current_principal()
        admission = await self._limiter.admit(tenant_id=principal.tenant.id, key_id=principal.key_id, cost=cost)
        fields = limit_headers(self._policy, admission)
        if not admission.allowed:
            raise RateLimitedError(
                f"The limit of this {admission.limit} is used up; wait and try again.",
                retry_after_seconds=admission.retry_after_seconds,
                fields=fields,
            )
        connection.scope[_LIMIT_FIELDS] = fields  # type: ignore[typeddict-unknown-key]  # a scope is an open dictionary (ASGI)


class Commands:
    """What endpoints are given: runs a handler with everything the request's headers say."""

    def __init__(self, execution: CommandExecution) -> None:
        self._execution = execution

    async def run(
        self, request: HttpRequest, operation: str, decide: Decide, *, without_locks: Unlocked | None = None
    ) -> Response[Any]:
        """Execute one command.

        Args:
            operation: scopes idempotency keys.
            decide: the handler with its command.
            without_locks: the same command, where it can be tried that way first.
        """
        command = await _command(request, operation)
        answer = await self._execution.execute(command, decide, without_locks=without_locks)
        return respond(request, answer, is_dry=command.dry_run)

    async def run_planned(
        self, request: HttpRequest, operation: str, plan: Decide, answer_for: Callable[[Answer], Decide]
    ) -> Response[Any]:
        """Execute a command whose effect is somebody else's: plan it in one transaction, answer in a later one.

        The plan is kept under the client's key, so that whoever retries, after whatever failure, waits for the same.
        One that came to nothing is forgotten before anybody is told: refusals burn no key.

        Args:
            operation: scopes idempotency keys.
            plan: keeps what is to be done by others.
            answer_for: from what the plan answered to the handler that tells what came of it; it raises `InFlightError`
                while that is not known, and `PlanEndedError` where nothing came of it.
        """
        planning = await _command(request, f"{operation}.plan")
        planned = await self._execution.execute(planning, plan)
        if planning.dry_run:
            return respond(request, planned, is_dry=True)
        command = msgspec.structs.replace(await _command(request, operation), if_match=None)
        try:
            answer = await self._when_known(command, answer_for(planned))
        except PlanEndedError:
            await self._forget(planning, planned)
            raise
        return respond(request, answer, is_dry=False)

    async def _forget(self, planning: CommandRequest, planned: Answer) -> None:
        claim = planning.idempotency
        if claim is not None:
            operation = f"{planning.operation}.ended"
            forgetting = msgspec.structs.replace(planning, operation=operation, idempotency=None, if_match=None)
            await self._execution.execute(forgetting, partial(forget_answer, claim, planned))

    async def _when_known(self, command: CommandRequest, decide: Decide) -> Answer:
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return await self._execution.execute(command, decide)
            except InFlightError:
                await asyncio.sleep(pause_seconds)
        return await self._execution.execute(command, decide)


async def _command(request: HttpRequest, operation: str) -> CommandRequest:
    """What a request says beside its intent."""
    declaration = declaration_of(cast("BaseRouteHandler", request.scope["route_handler"]))
    principal, context, headers = current_principal(), current_request(), request.headers
    key = idempotency_key(headers, declaration.idempotency)
    return CommandRequest(
        tenant=principal.tenant,
        operation=operation,
        actor=str(principal.id),
        idempotency=None if key is None else await _claim(request, str(principal.id), operation, key),
        if_match=expected_version(headers, "accepted"),
        if_match_required=declaration.if_match == "required",
        dry_run=is_dry_run(headers),
        request_id=context.request_id,
        traceparent=context.traceparent,
    )


async def _claim(request: HttpRequest, actor: str, operation: str, key: str) -> IdempotencyClaim:
    """Method, path and body stand for the request; the body with sorted keys: spacing and order do not count."""
    canonical = msgspec.json.encode(msgspec.json.decode(await request.body() or b"null"), order="deterministic")
    parts = (request.method.encode(), request.scope["path"].encode(), canonical)
    return claim_of(actor=actor, operation=operation, key=key, request=parts)


def respond(request: HttpRequest, answer: Answer, *, is_dry: bool) -> Response[Any]:
    """The response of an executed command, with what the limits said."""
    fields: Any = request.scope.get(_LIMIT_FIELDS)  # Any: a scope's member
    reply = CommandReply(
        status=answer.status,
        body=envelope_bytes(answer.data, _DRY_RUN_META if is_dry else NO_META),
        location=answer.location,
        version=answer.version,
        position=answer.position,
    )
    return command_response(reply, replayed=answer.replayed, headers=fields)
