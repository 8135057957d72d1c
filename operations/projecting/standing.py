"""`projections pause`, `resume`, `rollback`, `cancel` and `drop-kept`: asked for as an operator, and followed."""

from contextlib import AsyncExitStack
from uuid import UUID

import msgspec

from operations.in_house import pool_as
from operations.projecting.following import Kind, Request, ask, follow
from operations.projecting.operator import at_the_command_line
from operations.projecting.task import somebody_projects
from operations.servers.installation import Installation
from shared_kernel.database.roles import DatabaseRole


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with which projection, in which store (None: in all)."""

    kind: Kind
    name: str
    version: int
    tenant_id: UUID | None = None


class Obeyed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. Builds are told where stores are read from another one now."""

    name: str
    version: int
    kind: Kind
    from_build: int | None
    to_build: int | None
    requested_by: str


async def obey(installation: Installation, order: Order) -> Obeyed:
    """Have the projector do it.

    Raises:
        CommandFailed: no projector took the request, or it refused.
    """
    request = Request(
        kind=order.kind,
        name=order.name,
        version=order.version,
        tenant_id=order.tenant_id,
        requested_by=at_the_command_line(),
    )
    async with AsyncExitStack() as stack:
        read_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1))
        await stack.enter_async_context(somebody_projects(installation))
        done = await follow(read_pool, await ask(read_pool, request), lambda _events: None)
    return Obeyed(
        name=order.name,
        version=order.version,
        kind=order.kind,
        from_build=done["from_build"],
        to_build=done["to_build"],
        requested_by=request.requested_by,
    )
