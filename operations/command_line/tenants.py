"""`shelfwise tenants`: stores."""

from uuid import UUID

import click
import msgspec

from operations.access.audit import Call, audited
from operations.command_line.invocation import Invocation, command, table
from operations.in_house import in_house
from operations.projecting.operator import at_the_command_line
from operations.servers.installation import Installation
from operations.stores import all_stores, open_store
from shared_kernel.tenancy import Tenant
from write_side.tenants.commands import OpenStore

ACTOR = "command-line"


class CreatedTenant(msgspec.Struct, frozen=True, kw_only=True):
    """The store that was opened."""

    id: UUID
    slug: str


class ListedTenants(msgspec.Struct, frozen=True, kw_only=True):
    """Every store."""

    tenants: tuple[Tenant, ...]


@click.group()
def tenants() -> None:
    """Open stores, and list them."""


@tenants.command("create")
@click.argument("name")
@click.option("--slug", required=True, help="Its short name: lower case letters, digits and dashes.")
@click.option("--currency", required=True, help="ISO 4217, such as GBP.")
@click.option("--timezone", required=True, help="Of the IANA database, such as Europe/London.")
@command
def create_tenant(invocation: Invocation, *, name: str, slug: str, currency: str, timezone: str) -> None:
    """Open a store."""
    try:
        opening = msgspec.convert({"name": name, "slug": slug, "currency": currency, "timezone": timezone}, OpenStore)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"these are not a store's settings: {error}") from error

    async def work(installation: Installation) -> Tenant:
        call = Call(actor=at_the_command_line(), action="create_tenant", target={"tenant": slug})
        async with in_house(installation) as house, audited(house.operator_pool, call):
            return await open_store(house, opening, actor=ACTOR)

    store = invocation.on_servers(work)
    invocation.answer(CreatedTenant(id=store.id, slug=store.slug), f"opened {store.slug} ({store.id})")


@tenants.command("list")
@command
def list_tenants(invocation: Invocation) -> None:
    """List every store."""

    async def work(installation: Installation) -> tuple[Tenant, ...]:
        async with in_house(installation) as house:
            return tuple(await all_stores(house.operator_pool))

    stores = invocation.on_servers(work)
    rows = [(one.slug, one.currency, one.timezone, one.id) for one in stores]
    invocation.answer(ListedTenants(tenants=stores), table("slug", "currency", "time zone", "id", rows=rows))
