"""Snapshots over HTTP."""

from functools import partial
from typing import Final

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from shared_kernel.access.roles import READ_FIGURES
from shared_kernel.http.envelope import CommandEnvelope
from shared_kernel.http.routes import declare
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.snapshots import handlers
from write_side.snapshots.commands import RequestSnapshot, SnapshotDecided
from write_side.snapshots.errors import InvalidSnapshot, TooManySnapshots


@post(
    "/snapshots",
    status_code=202,
    opt=declare(policy=READ_FIGURES, cost=20, idempotency="required", errors=(InvalidSnapshot, TooManySnapshots)),
    summary="Have views as of a position",
)
async def request_snapshot(
    request: HttpRequest, commands: NamedDependency[Commands], data: JSONBody[RequestSnapshot]
) -> Response[CommandEnvelope[SnapshotDecided]]:
    """Built beside the live views, and kept for a day; `Location` says how far it is."""
    return await commands.run(request, "request_snapshot", partial(handlers.request_snapshot, data))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (request_snapshot,)
