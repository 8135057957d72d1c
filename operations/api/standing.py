"""`projections pause`, `resume`, `rollback`, `cancel`, `drop-kept`, `retire`: asked of the projector."""

from uuid import UUID

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from operations.access.repeating import Told
from operations.api.answers import Answer, HttpRequest, UnknownProjection
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.api.projections import ERRORS, OneStore, accepted, version_of
from operations.projecting.following import Kind, Request, ask
from operations.projecting.requests import RequestStatus
from operations.stores import tenant_id_of
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare

_MAX_VERSION = 2**31 - 1
_DECLARED = declare(policy=OPERATE, idempotency="required", errors=ERRORS)


@post("/projections/{name:str}/pause", opt=_DECLARED, summary="Let a projection stand still", status_code=202)
async def pause(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str]
) -> Response[Answer[RequestStatus]]:
    """In every store: it is read as it stands, falls behind, and says so."""
    return await _ordered(request, desk, "pause", name, tenant=None)


@post("/projections/{name:str}/resume", opt=_DECLARED, summary="Let a projection go on", status_code=202)
async def resume(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str]
) -> Response[Answer[RequestStatus]]:
    """From where it stands."""
    return await _ordered(request, desk, "resume", name, tenant=None)


@post("/projections/{name:str}/rollback", opt=_DECLARED, summary="Go back to the build that was kept", status_code=202)
async def rollback(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str], data: JSONBody[OneStore]
) -> Response[Answer[RequestStatus]]:
    """In one store or all; refused, as the request then says, where none was kept."""
    return await _ordered(request, desk, "rollback", name, tenant=data.tenant)


@post("/projections/{name:str}/cancellation", opt=_DECLARED, summary="Give up a rebuild", status_code=202)
async def cancel(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str], data: JSONBody[OneStore]
) -> Response[Answer[RequestStatus]]:
    """Stores that have been switched stay so."""
    return await _ordered(request, desk, "cancel", name, tenant=data.tenant)


@post("/projections/{name:str}/kept/removal", opt=_DECLARED, summary="Give up the kept build", status_code=202)
async def drop_kept(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str], data: JSONBody[OneStore]
) -> Response[Answer[RequestStatus]]:
    """There is nothing to roll back to after it."""
    return await _ordered(request, desk, "drop_kept", name, tenant=data.tenant)


@post(
    "/projections/{name:str}/versions/{version:int}/retirement",
    opt=_DECLARED,
    summary="Drop the table of a version that no release runs",
    status_code=202,
)
async def retire(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str], version: FromPath[int]
) -> Response[Answer[RequestStatus]]:
    """Refused, as the request then says, while one does; this release need not know the projection."""
    if not 1 <= version <= _MAX_VERSION:
        raise UnknownProjection(f"there is no version {version} of {name}")
    order = Request(kind="retire", name=name, version=version, tenant_id=None, requested_by=operator_name())

    async def effect(request_id: UUID) -> Told:
        return await accepted(desk, await ask(desk.read_pool, order, request_id=request_id))

    target = {"projection": name, "version": version}
    return await call(request, desk.write_pool, effect, action="retire", target=target)


async def _ordered(
    request: HttpRequest, desk: Desk, kind: Kind, name: str, *, tenant: str | None
) -> Response[Answer[RequestStatus]]:
    order = Request(
        kind=kind,
        name=name,
        version=version_of(name),
        tenant_id=await tenant_id_of(desk.write_pool, tenant),
        requested_by=operator_name(),
    )

    async def effect(request_id: UUID) -> Told:
        return await accepted(desk, await ask(desk.read_pool, order, request_id=request_id))

    return await call(request, desk.write_pool, effect, action=kind, target={"projection": name, "tenant": tenant})


ROUTES: tuple[HTTPRouteHandler, ...] = (pause, resume, rollback, cancel, drop_kept, retire)
