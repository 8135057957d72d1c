"""A test's own servers as the installation that commands work on, and a store in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from operations.in_house import InHouse, in_house
from operations.servers.installation import Installation
from shared_kernel.tenancy import Tenant
from tests.servers import Servers
from write_side.tenants.administration import open_store
from write_side.tenants.commands import OpenStore


def installation_of(servers: Servers, data_dir: Path) -> Installation:
    """The fresh databases and Redis of one test."""
    return Installation(
        data_dir=data_dir,
        write_database_url=servers.write_admin_url,
        read_database_url=servers.read_admin_url,
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
        role_passwords=servers.role_passwords,
    )


@asynccontextmanager
async def opened_house(servers: Servers, data_dir: Path) -> AsyncIterator[tuple[InHouse, Tenant]]:
    """The ways in, and a store in pounds and London time."""
    async with in_house(installation_of(servers, data_dir)) as house:
        opening = OpenStore(name="Harbour Books", slug="harbour", currency="GBP", timezone="Europe/London")
        yield house, await open_store(house.execution, opening, actor="test")


async def head_of(house: InHouse, tenant: Tenant) -> int:
    """How many events the store has."""
    position = await house.operator_pool.fetchval(
        "SELECT position FROM log.tenant_head WHERE tenant_id = $1", tenant.id
    )
    return int(position)


async def events_of(house: InHouse, tenant: Tenant) -> dict[str, int]:
    """How many of each type."""
    rows = await house.operator_pool.fetch(
        "SELECT type, count(*) AS events FROM log.event WHERE tenant_id = $1 GROUP BY type", tenant.id
    )
    return {row["type"]: row["events"] for row in rows}
