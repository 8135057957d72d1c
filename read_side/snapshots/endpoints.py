"""`GET /snapshots/{id}`."""

from uuid import UUID

from litestar.handlers import HTTPRouteHandler

from read_side.query_execution import (
    Envelope,
    FromPath,
    NamedDependency,
    NoParameters,
    Queries,
    QueryRequest,
    Response,
    parse_parameters,
    query_route,
)
from read_side.snapshots.queries import SnapshotQuery, StoreSnapshot, fetch_snapshot
from read_side.snapshots.view import VIEW
from shared_kernel.access.roles import READ_FIGURES
from shared_kernel.clock import Clock


@query_route("/snapshots/{snapshot_id:uuid}", policy=READ_FIGURES, cost=2, as_of=False, summary="How far a snapshot is")
async def store_snapshot(
    request: QueryRequest,
    queries: NamedDependency[Queries],
    clock: NamedDependency[Clock],
    snapshot_id: FromPath[UUID],
) -> Response[Envelope[StoreSnapshot]]:
    """Its views can be read with `as_of` once it is `ready`, until it expires."""
    parse_parameters(request, NoParameters)
    builds = await queries.frozen_builds(request, snapshot_id)
    now = clock().replace(second=0, microsecond=0)
    query = SnapshotQuery(id=snapshot_id, builds=builds, now=now)
    return await queries.answer(request, view=VIEW, query=query, fetch=fetch_snapshot, lasts=False)


ROUTES: tuple[HTTPRouteHandler, ...] = (store_snapshot,)
