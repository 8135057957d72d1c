"""Facts of a store that commands from inside need to find their way, read from its log as an operator."""

from functools import partial
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Pool
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.log.reader import Want, decode, fetch_types
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import CommandRequest
from write_side.inventory.commands import LocationDecided, OpenLocation
from write_side.inventory.handlers import open_location as decide_open_location

_MAX_LOCATIONS = 1_000


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place that holds stock."""

    id: UUID
    name: str


async def locations_of(operator_pool: Pool, tenant: Tenant) -> list[Location]:
    """The store's locations, the first opened first."""
    want = Want(tenant_id=tenant.id, after=0, limit=_MAX_LOCATIONS)
    async with operator_pool.acquire() as connection:
        opened = await fetch_types(connection, want, [LocationOpened.__name__])
    return [
        Location(id=recorded.stream_id, name=recorded.event.name)
        for recorded in map(decode, opened)
        if isinstance(recorded.event, LocationOpened)
    ]


async def open_location(execution: CommandExecution, tenant: Tenant, command: OpenLocation, *, actor: str) -> Location:
    """Open a place that holds stock."""
    request = CommandRequest(tenant=tenant, operation="open_location", actor=actor)
    answer = await execution.execute(request, partial(decide_open_location, command))
    decided = answer.read(LocationDecided)
    return Location(id=decided.id, name=decided.name)
