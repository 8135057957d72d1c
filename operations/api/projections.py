"""`projections list`, `status`, `explain` and `rebuild`, and the requests that they and others become."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, CannotBeDone, HttpRequest, UnknownProjection, answer, as_problems, told
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.projecting.explaining import explain_row
from operations.projecting.listing import ListedProjection, listed_projections
from operations.projecting.overview import VERSIONS
from operations.projecting.rebuilding import RebuildRequest, ask_rebuild
from operations.projecting.requests import RequestStatus, UnknownRequest, recent_requests, request_status
from operations.projecting.state import ProjectionStatus, statuses
from operations.stores import UnknownStore, store_named, tenant_id_of
from projections.explanation.explain import Explanation
from shared_kernel.access.roles import OPERATE
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.http.routes import declare
from write_side.tenants.commands import Slug

_MAX_CHANGES = 1_000
_PATH = "/api/v1/operations/requests"
ERRORS = (UnknownProjection, UnknownStore, KeyReused)


class OneStore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tenant` for one store only."""

    tenant: Slug | None = None


class NewRebuild(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rebuild: of one store or all, at so many events a second or as fast as it goes."""

    tenant: Slug | None = None
    rate: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    keep_old: bool = False


class Projections(msgspec.Struct, frozen=True, kw_only=True):
    """Those of this release."""

    projections: tuple[ListedProjection, ...]


class Statuses(msgspec.Struct, frozen=True, kw_only=True):
    """How far each is, over all stores or in one."""

    projections: tuple[ProjectionStatus, ...]


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    requests: tuple[RequestStatus, ...]


def version_of(name: str) -> int:
    """The version that this release has.

    Raises:
        UnknownProjection: it has none of that name.
    """
    version = dict(VERSIONS).get(name)
    if version is None:
        raise UnknownProjection(f"this release has no projection {name!r}; GET …/projections lists those it has")
    return version


@get("/projections", opt=declare(policy=OPERATE, waits=False), summary="The projections of this release")
async def list_projections() -> Response[Answer[Projections]]:
    """With the events that each folds."""
    return answer(Projections(projections=listed_projections()))


@get(
    "/projections/status",
    opt=declare(policy=OPERATE, cost=5, waits=False, errors=(UnknownProjection, UnknownStore)),
    summary="How far each projection is",
)
async def projection_statuses(
    desk: NamedDependency[Desk], name: FromQuery[str | None] = None, tenant: FromQuery[str | None] = None
) -> Response[Answer[Statuses]]:
    """Over all stores, or in one; compared with the log's head now."""
    wanted = VERSIONS if name is None else ((name, version_of(name)),)
    tenant_id = await tenant_id_of(desk.write_pool, tenant)
    found = await statuses(desk.write_pool, desk.read_pool, wanted, tenant_id=tenant_id)
    return answer(Statuses(projections=tuple(found)))


@get(
    "/projections/{name:str}/explanation",
    opt=declare(policy=OPERATE, cost=5, waits=False, errors=(UnknownProjection, UnknownStore, CannotBeDone)),
    summary="The events behind one row",
)
async def explain(
    desk: NamedDependency[Desk],
    *,
    name: FromPath[str],
    tenant: FromQuery[Slug],
    key: FromQuery[str],
    last: Annotated[int, QueryParameter(ge=1, le=_MAX_CHANGES)] = 50,
) -> Response[Answer[Explanation]]:
    """In order, with what each changed; `key` as `verify` and dead letters write it, the `last` of them."""
    version_of(name)
    store = await store_named(desk.write_pool, tenant)
    with as_problems():
        found = await explain_row(
            desk.installation, name, key, tenant_id=store.id, limit=last, role=DatabaseRole.OPERATOR
        )
    return answer(found)


@get("/requests", opt=declare(policy=OPERATE, waits=False), summary="What operators have asked of the projector")
async def list_requests(desk: NamedDependency[Desk]) -> Response[Answer[Requests]]:
    """The newest first."""
    return answer(Requests(requests=await recent_requests(desk.write_pool, desk.read_pool)))


@get(
    "/requests/{request_id:uuid}",
    opt=declare(policy=OPERATE, waits=False, errors=(UnknownRequest,)),
    summary="How far a request is",
)
async def show_request(desk: NamedDependency[Desk], request_id: FromPath[UUID]) -> Response[Answer[RequestStatus]]:
    """With events folded and stores cut over."""
    return answer(await request_status(desk.write_pool, desk.read_pool, request_id))


@post(
    "/projections/{name:str}/rebuild",
    opt=declare(policy=OPERATE, idempotency="required", errors=ERRORS),
    summary="Rebuild a projection beside the live one",
    status_code=202,
)
async def rebuild(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str], data: JSONBody[NewRebuild]
) -> Response[Answer[RequestStatus]]:
    """Accepted: the request can be followed. Stores are switched one by one, and nobody sees less than before."""
    version, tenant_id = version_of(name), await tenant_id_of(desk.write_pool, data.tenant)

    async def effect(request_id: UUID) -> Told:
        wanted = RebuildRequest(
            name=name, version=version, tenant_id=tenant_id, rate=data.rate or 0, keep_old=data.keep_old
        )
        await ask_rebuild(desk.read_pool, wanted, requested_by=operator_name(), request_id=request_id)
        return await accepted(desk, request_id)

    target = {"projection": name, "tenant": data.tenant, "rate": data.rate, "keep_old": data.keep_old}
    return await call(request, desk.write_pool, effect, action="rebuild", target=target)


async def accepted(desk: Desk, request_id: UUID) -> Told:
    """The request, as it is told to whoever may follow it."""
    asked = await request_status(desk.write_pool, desk.read_pool, request_id)
    return told(asked, status=202, location=f"{_PATH}/{request_id}")


ROUTES: tuple[HTTPRouteHandler, ...] = (
    list_projections,
    projection_statuses,
    explain,
    list_requests,
    show_request,
    rebuild,
)
