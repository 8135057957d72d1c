"""`dead-letters list`, `show`, `retry` and `skip`."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, CannotBeDone, HttpRequest, answer, as_problems, told
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.projecting.dead_letters import DeadLetters, ShownDeadLetter, list_dead_letters, show_dead_letter
from operations.projecting.healing import Treatment, ask
from operations.projecting.requests import RequestStatus, request_status
from operations.stores import UnknownStore, tenant_id_of
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare

_REQUESTS = "/api/v1/operations/requests"


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an event is left out of a row for good; kept with the operator's name, for whoever wonders later."""

    why: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"\S")]


@get(
    "/dead-letters",
    opt=declare(policy=OPERATE, cost=2, waits=False, errors=(UnknownStore,)),
    summary="Rows that wait because an event could not be folded",
)
async def list_letters(
    desk: NamedDependency[Desk], projection: FromQuery[str | None] = None, tenant: FromQuery[str | None] = None
) -> Response[Answer[DeadLetters]]:
    """The longest-waiting first."""
    tenant_id = await tenant_id_of(desk.write_pool, tenant)
    return answer(await list_dead_letters(desk.write_pool, desk.read_pool, tenant_id=tenant_id, name=projection))


@get(
    "/dead-letters/{letter_id:uuid}",
    opt=declare(policy=OPERATE, waits=False, errors=(CannotBeDone,)),
    summary="One with its events, its row and where the fold failed",
)
async def show_letter(desk: NamedDependency[Desk], letter_id: FromPath[UUID]) -> Response[Answer[ShownDeadLetter]]:
    """409 where it waits no more, with what became of it."""
    with as_problems():
        return answer(await show_dead_letter(desk.write_pool, desk.read_pool, letter_id))


@post(
    "/dead-letters/{letter_id:uuid}/retry",
    opt=declare(policy=OPERATE, idempotency="accepted", errors=(CannotBeDone, KeyReused)),
    summary="Fold its events again, in order",
    status_code=202,
)
async def retry_letter(
    request: HttpRequest, desk: NamedDependency[Desk], letter_id: FromPath[UUID]
) -> Response[Answer[RequestStatus]]:
    """Accepted: the request says whether the first of them failed again."""
    treatment = Treatment(kind="retry", letter_id=letter_id, asked_by=operator_name())
    return await _treated(request, desk, treatment)


@post(
    "/dead-letters/{letter_id:uuid}/skip",
    opt=declare(policy=OPERATE, idempotency="accepted", errors=(CannotBeDone, KeyReused)),
    summary="Leave its first event out of the row for good",
    status_code=202,
)
async def skip_letter(
    request: HttpRequest, desk: NamedDependency[Desk], letter_id: FromPath[UUID], data: JSONBody[Reason]
) -> Response[Answer[RequestStatus]]:
    """And fold the next ones."""
    treatment = Treatment(kind="skip", letter_id=letter_id, asked_by=operator_name(), why=data.why.strip())
    return await _treated(request, desk, treatment)


async def _treated(request: HttpRequest, desk: Desk, treatment: Treatment) -> Response[Answer[RequestStatus]]:
    async def effect(_: UUID) -> Told:
        request_id = await ask(desk.write_pool, desk.read_pool, treatment)
        asked = await request_status(desk.write_pool, desk.read_pool, request_id)
        return told(asked, status=202, location=f"{_REQUESTS}/{request_id}")

    target = {"dead_letter": f"{treatment.letter_id}", "why": treatment.why}
    return await call(request, desk.write_pool, effect, action=f"{treatment.kind}_dead_letter", target=target)


ROUTES: tuple[HTTPRouteHandler, ...] = (list_letters, show_letter, retry_letter, skip_letter)
