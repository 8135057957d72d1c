"""`sagas list`, `show`, `retry` and `resolve`."""

from functools import partial
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, HttpRequest, answer, told
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.sagas import ListedSaga, ShownSaga, listed_sagas, operate_saga, shown_saga
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare
from write_side.command_execution.execution import Decide
from write_side.order_saga.errors import ProviderStillAsked, SagaNotFound, SagaNotWaiting
from write_side.order_saga.operating import SagaDecided, resolve_saga, retry_saga

State = Literal["running", "needs_attention", "completed", "compensated", "resolved"]
_ERRORS = (SagaNotFound, SagaNotWaiting, KeyReused)


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, for the journal."""

    why: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]


class Sagas(msgspec.Struct, frozen=True, kw_only=True):
    """The latest first."""

    sagas: tuple[ListedSaga, ...]


@get("/sagas", opt=declare(policy=OPERATE, cost=2, waits=False), summary="Orders that are paid first")
async def list_sagas(
    desk: NamedDependency[Desk],
    wanted: Annotated[State | None, QueryParameter(name="state")] = None,
    tenant: FromQuery[str | None] = None,
) -> Response[Answer[Sagas]]:
    """The latest first; of one state or one store where named."""
    return answer(Sagas(sagas=await listed_sagas(desk.house, state=wanted, tenant=tenant)))


@get(
    "/sagas/{order_id:uuid}",
    opt=declare(policy=OPERATE, waits=False, errors=(SagaNotFound,)),
    summary="Every step of one, and what the provider was asked",
)
async def show_saga(desk: NamedDependency[Desk], order_id: FromPath[UUID]) -> Response[Answer[ShownSaga]]:
    """By the order's id."""
    return answer(await shown_saga(desk.house, order_id))


@post(
    "/sagas/{order_id:uuid}/retry",
    opt=declare(policy=OPERATE, idempotency="accepted", errors=_ERRORS),
    summary="Have one tried again",
    status_code=200,
)
async def retry(
    request: HttpRequest, desk: NamedDependency[Desk], order_id: FromPath[UUID], data: JSONBody[Note]
) -> Response[Answer[SagaDecided]]:
    """One that needs attention."""
    decide = partial(retry_saga, order_id, data.why)
    return await _operated(request, desk, order_id, decide, why=data.why)


@post(
    "/sagas/{order_id:uuid}/resolution",
    opt=declare(policy=OPERATE, idempotency="accepted", errors=(*_ERRORS, ProviderStillAsked)),
    summary="Say that one was settled by hand",
    status_code=200,
)
async def resolve(
    request: HttpRequest, desk: NamedDependency[Desk], order_id: FromPath[UUID], data: JSONBody[Note]
) -> Response[Answer[SagaDecided]]:
    """With what was settled, and with whom."""
    decide = partial(resolve_saga, order_id, data.why)
    return await _operated(request, desk, order_id, decide, why=data.why)


async def _operated(
    request: HttpRequest, desk: Desk, order_id: UUID, decide: Decide, *, why: str
) -> Response[Answer[SagaDecided]]:
    async def effect(_: UUID) -> Told:
        return told(await operate_saga(desk.house, order_id, decide, actor=operator_name()))

    action = "retry_saga" if request.url.path.endswith("/retry") else "resolve_saga"
    return await call(request, desk.write_pool, effect, action=action, target={"order": f"{order_id}", "why": why})


ROUTES: tuple[HTTPRouteHandler, ...] = (list_sagas, show_saga, retry, resolve)
