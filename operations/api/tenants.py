"""`tenants list` and `tenants create`."""

from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from operations.access.repeating import KeyReused, Told
from operations.api.answers import Answer, HttpRequest, answer, told
from operations.api.calling import call, operator_name
from operations.api.desk import Desk
from operations.stores import all_stores, open_store
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare
from shared_kernel.money import CurrencyCode
from shared_kernel.tenancy import Tenant
from write_side.tenants.commands import Name, OpenStore, Slug
from write_side.tenants.errors import InvalidStore, SlugTaken


class NewTenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A store to open."""

    name: Name
    slug: Slug
    currency: CurrencyCode
    timezone: str


class CreatedTenant(msgspec.Struct, frozen=True, kw_only=True):
    """The store that is open now."""

    id: UUID
    slug: str


class Tenants(msgspec.Struct, frozen=True, kw_only=True):
    """Every store, by slug."""

    tenants: tuple[Tenant, ...]


@get("/tenants", opt=declare(policy=OPERATE, waits=False), summary="Every store")
async def list_tenants(desk: NamedDependency[Desk]) -> Response[Answer[Tenants]]:
    """By slug."""
    return answer(Tenants(tenants=tuple(await all_stores(desk.write_pool))))


@post(
    "/tenants",
    opt=declare(policy=OPERATE, idempotency="required", errors=(InvalidStore, SlugTaken, KeyReused)),
    summary="Open a store",
)
async def create_tenant(
    request: HttpRequest, desk: NamedDependency[Desk], data: JSONBody[NewTenant]
) -> Response[Answer[CreatedTenant]]:
    """Its slug is taken once and for all."""
    opening = OpenStore(name=data.name, slug=data.slug, currency=data.currency, timezone=data.timezone)

    async def effect(tenant_id: UUID) -> Told:
        store = await open_store(desk.house, opening, actor=operator_name(), tenant_id=tenant_id)
        return told(CreatedTenant(id=store.id, slug=store.slug), status=201)

    return await call(request, desk.write_pool, effect, action="create_tenant", target={"tenant": data.slug})


ROUTES: tuple[HTTPRouteHandler, ...] = (list_tenants, create_tenant)
