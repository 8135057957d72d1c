"""What every changing call does the same way: known by its Idempotency-Key, entered in the audit, told in one shape."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import msgspec
from litestar import Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from operations.access.audit import Call, audited
from operations.access.repeating import Repeatable, Told, once
from operations.api.answers import HttpRequest, as_problems, told_response
from shared_kernel.database.pool import Pool
from shared_kernel.errors import RateLimitedError
from shared_kernel.http.context import current_principal, current_request
from shared_kernel.http.request_headers import idempotency_key
from shared_kernel.http.routes import declaration_of
from shared_kernel.identifiers import new_id
from shared_kernel.rate_limits.limiter import monotonic_us
from shared_kernel.rate_limits.local import LocalGcra
from shared_kernel.rate_limits.settings import RateLimitSettings

Effect: TypeAlias = Callable[[UUID], Awaitable[Told]]
"""Makes what is to have this id, where it makes anything."""

_MAX_OPERATORS: Final = 1_000


class OperatorLimits:
    """Each key's share of this process, in its memory: operators are few, and Redis may be what they are here about."""

    def __init__(self, settings: RateLimitSettings, *, processes: int) -> None:
        self._keys: LocalGcra[UUID] = LocalGcra(settings.key_bucket(processes=processes), max_keys=_MAX_OPERATORS)

    # Any: Litestar's user, auth and state, which are not used.
    async def admit(self, _connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request pass.

        Raises:
            RateLimitedError: the key has used up what it may.
        """
        declaration = declaration_of(handler)
        if declaration.policy.public:
            return
        decision = self._keys.admit(current_principal().key_id, now_us=monotonic_us(), cost=declaration.cost)
        if not decision.allowed:
            message = "The limit of this key is used up; wait a second and try again."
            raise RateLimitedError(message, retry_after_seconds=1)


def operator_name() -> str:
    """The operator behind the request, as requests and the audit name them."""
    return f"operator:{current_principal().id}"


async def call(
    request: HttpRequest, write_pool: Pool, effect: Effect, *, action: str, target: Mapping[str, object]
) -> Response[Any]:  # Any: the handler's annotation names the envelope
    """Have an effect, once for its Idempotency-Key where there is one, and between two entries of the audit.

    Args:
        request: whose headers, path and body say what it is.
        write_pool: the write database, as the operator's role.
        effect: has it.
        action: its name in the audit.
        target: what it is done to; nothing secret.
    """
    declaration = declaration_of(cast("BaseRouteHandler", request.scope["route_handler"]))
    key = idempotency_key(request.headers, declaration.idempotency)
    entry = Call(actor=operator_name(), action=action, target=target, request_id=current_request().request_id)

    async def entered(resource_id: UUID) -> Told:
        async with audited(write_pool, entry):
            with as_problems():
                return await effect(resource_id)

    if key is None:
        return told_response(await entered(new_id()))
    repeatable = Repeatable(operator_id=current_principal().id, key=key, request=await _identity(request))
    return told_response(await once(write_pool, repeatable, entered))


async def _identity(request: HttpRequest) -> tuple[bytes, ...]:
    """Method, path and body; the body with sorted keys: spacing and order do not count."""
    canonical = msgspec.json.encode(msgspec.json.decode(await request.body() or b"null"), order="deterministic")
    return request.method.encode(), request.url.path.encode(), canonical
