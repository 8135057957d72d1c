"""Batches over HTTP."""

from typing import Any, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from shared_kernel.access.roles import BATCH
from shared_kernel.http.context import current_principal, current_request
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.request_headers import is_dry_run
from shared_kernel.http.routes import declare
from write_side.batch.commands import BatchDone, RunBatch
from write_side.batch.errors import PartlyDoneBefore, UnknownCommand
from write_side.batch.running import Batch, Context
from write_side.command_execution.commands_over_http import CommandLimits, HttpRequest, respond
from write_side.command_execution.requests import Answer

_COST: Final = 1
"""What asking costs, drawn before the body is read: the least that a command costs."""


@post(
    "/batch",
    opt=declare(policy=BATCH, cost=_COST, errors=(UnknownCommand, PartlyDoneBefore)),
    status_code=200,
    summary="Run up to a hundred commands",
)
async def run_batch(
    request: HttpRequest,
    batch: NamedDependency[Batch],
    limits: NamedDependency[CommandLimits],
    data: JSONBody[RunBatch],
) -> Response[CommandEnvelope[BatchDone]]:
    """In their order; each has its own key and outcome, and may do what the role may. Retried, each is done once.

    With `all_or_nothing` they share one transaction, and are all done or none; where one has a key, each needs one. The
    answer is 200 either way: `complete` says whether every command is done. It draws from the rate limits what its
    commands draw by themselves, before the first of them is run.
    """
    await limits.draw_more(request, cost=batch.cost_of(data.items) - _COST)
    context = current_request()
    by = Context(
        principal=current_principal(),
        request_id=context.request_id,
        traceparent=context.traceparent,
        dry_run=is_dry_run(request.headers),
    )
    run = batch.together if data.all_or_nothing else batch.one_by_one
    done = await run(data.items, by)
    positions = [one.position for one in done.items if one.position is not None]
    answer = Answer(status=200, data=msgspec.json.encode(done), position=max(positions, default=None))
    response: Response[Any] = respond(request, answer, is_dry=by.dry_run)
    return response


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (run_batch,)
