"""`projections verify`, as a job: begun here, followed by its id."""

from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, HttpRequest, UnknownProjection, answer, told
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.api.projections import OneStore, version_of
from operations.api.verifying import Job, TooManyVerifications, UnknownVerification, VerificationStatus
from operations.stores import UnknownStore, tenant_id_of
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare

_PATH = "/api/v1/operations/verifications"


class Verifications(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    verifications: tuple[VerificationStatus, ...]


@post(
    "/projections/{name:str}/verifications",
    opt=declare(
        policy=OPERATE,
        idempotency="required",
        errors=(UnknownProjection, UnknownStore, KeyReused, TooManyVerifications),
    ),
    summary="Compare a projection with a fold of its log",
    status_code=202,
)
async def verify(
    request: HttpRequest, desk: NamedDependency[Desk], name: FromPath[str], data: JSONBody[OneStore]
) -> Response[Answer[VerificationStatus]]:
    """Online and without blocking anybody; at most two at a time."""
    version, tenant_id = version_of(name), await tenant_id_of(desk.write_pool, data.tenant)

    async def effect(job_id: UUID) -> Told:
        job = Job(id=job_id, name=name, version=version, only_tenant=tenant_id, requested_by=operator_name())
        await desk.verifications.start(job)
        return told(await desk.verifications.status(job_id), status=202, location=f"{_PATH}/{job_id}")

    target = {"projection": name, "tenant": data.tenant}
    return await call(request, desk.write_pool, effect, action="verify", target=target)


@get("/verifications", opt=declare(policy=OPERATE, waits=False), summary="Verifications that were asked for here")
async def list_verifications(desk: NamedDependency[Desk]) -> Response[Answer[Verifications]]:
    """The newest first."""
    return answer(Verifications(verifications=await desk.verifications.recent()))


@get(
    "/verifications/{job_id:uuid}",
    opt=declare(policy=OPERATE, waits=False, errors=(UnknownVerification,)),
    summary="How far a verification is, or what it found",
)
async def show_verification(
    desk: NamedDependency[Desk], job_id: FromPath[UUID]
) -> Response[Answer[VerificationStatus]]:
    """`lost` where the process that ran it has died: ask again."""
    return answer(await desk.verifications.status(job_id))


ROUTES: tuple[HTTPRouteHandler, ...] = (verify, list_verifications, show_verification)
