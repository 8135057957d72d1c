"""`keys list`, `keys create` and `keys revoke`: stores' keys, and operators' own."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from operations.access.operator_keys import NewOperatorKey, issue_operator_key
from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, HttpRequest, answer, told
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.keys import end_key, listed_keys
from operations.store_keys import ListedKey, UnknownKey, issue_store_key
from operations.stores import UnknownStore
from shared_kernel.access.roles import OPERATE, Role
from shared_kernel.errors import FieldError, InvalidError
from shared_kernel.http.routes import declare
from write_side.tenants.commands import IssueKey, Name, Slug
from write_side.tenants.errors import UnknownPrincipal


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to hand out. An operator's has no `tenant`, every other has one; `principal_id` rotates a known owner's."""

    role: Role
    name: Name
    tenant: Slug | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    principal_id: UUID | None = None


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is shown now and never again: a retry with the same Idempotency-Key is answered without it."""

    id: UUID
    key: str | None


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of each; their text is not."""

    keys: tuple[ListedKey, ...]


class EndedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens nothing any more."""

    id: UUID
    revoked: bool


@get("/keys", opt=declare(policy=OPERATE, waits=False, errors=(UnknownStore,)), summary="Every key, without its text")
async def list_keys(desk: NamedDependency[Desk], tenant: FromQuery[str | None] = None) -> Response[Answer[Keys]]:
    """Operators' first; with `tenant`, that store's only."""
    return answer(Keys(keys=await listed_keys(desk.house, slug=tenant)))


@post(
    "/keys",
    opt=declare(policy=OPERATE, idempotency="required", errors=(UnknownStore, UnknownPrincipal, KeyReused)),
    summary="Hand out a key",
)
async def create_key(
    request: HttpRequest, desk: NamedDependency[Desk], data: JSONBody[NewKey]
) -> Response[Answer[CreatedKey]]:
    """Only a keyed hash of it is kept."""
    if (data.role is Role.OPERATOR) is not (data.tenant is None):
        rule = "An operator's key has no tenant, every other has one."
        error = FieldError(pointer="/tenant", code="tenant_of_role", detail=rule)
        raise InvalidError("The body does not fit.", errors=(error,))

    async def effect(_: UUID) -> Told:
        created = await _created(desk, data)
        return told(created, status=201, kept=msgspec.structs.replace(created, key=None))

    target = {"tenant": data.tenant, "role": data.role.value, "name": data.name}
    return await call(request, desk.write_pool, effect, action="create_key", target=target)


@post(
    "/keys/{key_id:uuid}/revocation",
    opt=declare(policy=OPERATE, idempotency="accepted", errors=(UnknownKey,)),
    summary="End a key",
    status_code=200,
)
async def revoke_key(
    request: HttpRequest, desk: NamedDependency[Desk], key_id: FromPath[UUID]
) -> Response[Answer[EndedKey]]:
    """Everywhere and at once, with the sessions begun with it; ending it again changes nothing."""

    async def effect(_: UUID) -> Told:
        await end_key(desk.house, key_id, actor=operator_name())
        return told(EndedKey(id=key_id, revoked=True))

    return await call(request, desk.write_pool, effect, action="revoke_key", target={"key": f"{key_id}"})


async def _created(desk: Desk, data: NewKey) -> CreatedKey:
    if data.tenant is not None:
        wanted = IssueKey(name=data.name, role=data.role, expires_at=data.expires_at, principal_id=data.principal_id)
        issued = await issue_store_key(desk.house, data.tenant, wanted, actor=operator_name())
        return CreatedKey(id=issued.id, key=issued.key)
    new = NewOperatorKey(name=data.name, expires_at=data.expires_at, operator_id=data.principal_id)
    secret_key = desk.house.secret_key
    made = await issue_operator_key(desk.write_pool, new, secret_key=secret_key, actor=operator_name())
    return CreatedKey(id=made.id, key=made.key)


ROUTES: tuple[HTTPRouteHandler, ...] = (list_keys, create_key, revoke_key)
