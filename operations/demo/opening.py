"""Opens the two demo stores and fills them; doing it again adds nothing."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from operations.demo.classics import CLASSICS_CSV, classics
from operations.demo.history import fill_with_history
from operations.demo.keys import ACTOR, DemoStore, key_of
from operations.importing.readers.catalogue import CatalogueRow
from operations.in_house import InHouse, in_house, pool_as
from operations.projecting.state import statuses
from operations.servers.installation import Installation
from operations.store_facts import Location, locations_of, open_location
from projections.registry import PROJECTIONS
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.money import Money
from shared_kernel.tenancy import Tenant
from write_side.catalog.bulk import editions_by_popularity, import_editions
from write_side.catalog.commands import ContributorEntry, CreateEdition
from write_side.inventory.commands import OpenLocation
from write_side.tenants import repository
from write_side.tenants.administration import open_store
from write_side.tenants.commands import OpenStore

_CAUGHT_UP_SECONDS = 120.0
_LOOK_SECONDS = 0.2
_LOCATIONS = (("Quayside shop", "shop"), ("Warehouse", "warehouse"))
_OPENED_AT = "SELECT created_at FROM write.tenant WHERE tenant_id = $1"


class DemoStorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A store of the demo. `price_percent` turns the catalogue's pounds into its own money."""

    name: str
    slug: str
    currency: str
    timezone: str
    price_percent: int


DEMO_STORES = (
    DemoStorePlan(
        name="Harbour Books", slug="harbour-books", currency="GBP", timezone="Europe/London", price_percent=100
    ),
    DemoStorePlan(
        name="Librairie du Port", slug="librairie-du-port", currency="EUR", timezone="Europe/Paris", price_percent=118
    ),
)


async def open_demo(installation: Installation, *, seed: int, say: Callable[[str], None]) -> tuple[DemoStore, ...]:
    """Have both stores open and filled, and their read tables caught up.

    Args:
        installation: where.
        seed: of the orders' chance; another one adds no second history.
        say: is told what is going on.
    """
    async with in_house(installation) as house:
        stores = []
        for number, plan in enumerate(DEMO_STORES):
            stores.append(await _open(house, plan, installation, seed=seed + number))
            say(f"  {plan.name} is open")
    await _wait_until_shown(installation)
    return tuple(stores)


async def _open(house: InHouse, plan: DemoStorePlan, installation: Installation, *, seed: int) -> DemoStore:
    tenant = await _tenant(house, plan)
    editions = await _editions(house, tenant, plan)
    shop = await _shop(house, tenant)
    opened_at: dt.datetime = await house.operator_pool.fetchval(_OPENED_AT, tenant.id)
    # The day it was opened, whenever `up` is run again: the same history, found to be there already.
    today = opened_at.astimezone(ZoneInfo(tenant.timezone)).date()
    await fill_with_history(house, tenant, shop, editions=editions, today=today, seed=seed)
    return DemoStore(
        slug=plan.slug,
        name=plan.name,
        currency=plan.currency,
        key=await key_of(house, tenant, installation.data_dir),
        location_id=shop.id,
        edition_id=next(iter(editions)),
    )


async def _tenant(house: InHouse, plan: DemoStorePlan) -> Tenant:
    async with house.operator_pool.acquire() as connection:
        known = await repository.store_by_slug(connection, plan.slug)
    if known is not None:
        return known
    opening = OpenStore(name=plan.name, slug=plan.slug, currency=plan.currency, timezone=plan.timezone)
    return await open_store(house.execution, opening, actor=ACTOR)


async def _editions(house: InHouse, tenant: Tenant, plan: DemoStorePlan) -> dict[UUID, int]:
    """The classics' editions, most popular first, and what each sells for."""
    rows = classics()
    commands = [_command(row, plan) for row in rows]
    await import_editions(house.execution, tenant, commands, actor=ACTOR)
    ranked = await editions_by_popularity(house.write_pool, tenant, limit=len(rows))
    prices = (command.list_price.amount_minor for command in commands)
    return dict(zip(ranked, prices, strict=True))


def _command(row: CatalogueRow, plan: DemoStorePlan) -> CreateEdition:
    assert row.list_price_minor is not None, f"{CLASSICS_CSV.name} gives every edition a price"
    return CreateEdition(
        title=row.title,
        contributors=tuple(_contributors(row)),
        format=row.format,
        list_price=Money(amount_minor=row.list_price_minor * plan.price_percent // 100, currency=plan.currency),
        isbn13=row.isbn13,
        publisher=row.publisher,
        published_on=row.published_on,
        language=row.language,
        subjects=row.subjects,
        popularity=row.popularity,
    )


def _contributors(row: CatalogueRow) -> Iterator[ContributorEntry]:
    for one in row.contributors:
        yield ContributorEntry(name=one.name, role=one.role)  # type: ignore[arg-type]  # the write side validates


async def _shop(house: InHouse, tenant: Tenant) -> Location:
    known = {one.name: one for one in await locations_of(house.operator_pool, tenant)}
    for name, kind in _LOCATIONS:
        if name not in known:
            command = msgspec.convert({"name": name, "kind": kind}, OpenLocation)
            known[name] = await open_location(house.execution, tenant, command, actor=ACTOR)
    return known[_LOCATIONS[0][0]]


async def _wait_until_shown(installation: Installation) -> None:
    """Have the first query show what was filled; after a bounded time it may show less, and says so itself."""
    wanted = [(one.view.name, one.view.version) for one in PROJECTIONS]
    async with (
        pool_as(DatabaseRole.OPERATOR, installation, read=False, size=1) as write_pool,
        pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1) as read_pool,
    ):
        deadline = asyncio.get_running_loop().time() + _CAUGHT_UP_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if not any(one.lag_events for one in await statuses(write_pool, read_pool, wanted)):
                return
            await asyncio.sleep(_LOOK_SECONDS)
