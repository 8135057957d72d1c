"""`reactions`, and their `dead-letters list`, `show`, `retry` and `skip`."""

from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, CannotBeDone, HttpRequest, answer, as_problems, told
from operations.api.calling import call, operator_name
from operations.api.dead_letters import Reason
from operations.api.desk import Desk
from operations.reacting.dead_letters import (
    ReactionDeadLetters,
    ShownReactionDeadLetter,
    TreatedReaction,
    list_parked,
    retry_parked,
    show_parked,
    skip_parked,
)
from operations.reacting.standing import standing
from operations.stores import UnknownStore, tenant_id_of
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare
from shared_kernel.monitor.reacting import Reacting

_CHANGES = declare(policy=OPERATE, idempotency="accepted", errors=(CannotBeDone, KeyReused))


@get("/reactions", opt=declare(policy=OPERATE, cost=2, waits=False), summary="How far reactions are, and what is due")
async def reactions_status(desk: NamedDependency[Desk]) -> Response[Answer[Reacting]]:
    """Each reaction, each outbox, and who reacts."""
    return answer(await standing(desk.write_pool))


@get(
    "/reactions/dead-letters",
    opt=declare(policy=OPERATE, cost=2, waits=False, errors=(UnknownStore,)),
    summary="Keys that wait because a reaction failed",
)
async def list_reaction_letters(
    desk: NamedDependency[Desk], reaction: FromQuery[str | None] = None, tenant: FromQuery[str | None] = None
) -> Response[Answer[ReactionDeadLetters]]:
    """The longest-waiting first."""
    tenant_id = await tenant_id_of(desk.write_pool, tenant)
    return answer(await list_parked(desk.write_pool, tenant_id=tenant_id, reaction=reaction))


@get(
    "/reactions/dead-letters/{letter_id:uuid}",
    opt=declare(policy=OPERATE, waits=False, errors=(CannotBeDone,)),
    summary="One with its events",
)
async def show_reaction_letter(
    desk: NamedDependency[Desk], letter_id: FromPath[UUID]
) -> Response[Answer[ShownReactionDeadLetter]]:
    """409 where it waits no more."""
    with as_problems():
        return answer(await show_parked(desk.write_pool, letter_id))


@post(
    "/reactions/dead-letters/{letter_id:uuid}/retry", opt=_CHANGES, summary="React to its events again", status_code=202
)
async def retry_reaction_letter(
    request: HttpRequest, desk: NamedDependency[Desk], letter_id: FromPath[UUID]
) -> Response[Answer[TreatedReaction]]:
    """Accepted: a worker tries it at once; looking at it again shows whether it failed."""

    async def effect(_: UUID) -> Told:
        return told(await retry_parked(desk.write_pool, letter_id), status=202)

    target = {"parked": f"{letter_id}"}
    return await call(request, desk.write_pool, effect, action="retry_reaction", target=target)


@post(
    "/reactions/dead-letters/{letter_id:uuid}/skip",
    opt=_CHANGES,
    summary="Leave its first event out for good",
    status_code=200,
)
async def skip_reaction_letter(
    request: HttpRequest, desk: NamedDependency[Desk], letter_id: FromPath[UUID], data: JSONBody[Reason]
) -> Response[Answer[TreatedReaction]]:
    """And react to the next ones."""
    why = data.why.strip()

    async def effect(_: UUID) -> Told:
        return told(await skip_parked(desk.write_pool, letter_id, skipped_by=operator_name(), why=why))

    target = {"parked": f"{letter_id}", "why": why}
    return await call(request, desk.write_pool, effect, action="skip_reaction", target=target)


ROUTES: tuple[HTTPRouteHandler, ...] = (
    reactions_status,
    list_reaction_letters,
    show_reaction_letter,
    retry_reaction_letter,
    skip_reaction_letter,
)
