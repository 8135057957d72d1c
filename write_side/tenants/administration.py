"""Opening stores and handing out keys from inside the house: for the command line and the demo, not by HTTP."""

from functools import partial
from typing import Protocol
from uuid import UUID

from shared_kernel.identifiers import new_id
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import CommandRequest
from write_side.tenants import handlers
from write_side.tenants.commands import IssuedKey, IssueKey, OpenedStore, OpenStore, RevokedKey


class RevocationBroadcast(Protocol):
    """Tells every process to forget a key now; where it is not heard, their memories end within seconds anyway."""

    async def announce(self, key_hash: str) -> None:
        """Say that the key with this hash opens nothing any more."""
        ...


async def open_store(
    execution: CommandExecution, command: OpenStore, *, actor: str, tenant_id: UUID | None = None
) -> Tenant:
    """Open a store and say who it is.

    Args:
        execution: runs the command.
        command: its settings.
        actor: who opens it.
        tenant_id: its id, where that was chosen before; else a new one.

    Raises:
        SlugTaken: another store has the slug.
        InvalidStore: its settings are not valid.
    """
    tenant = Tenant(id=tenant_id or new_id(), slug=command.slug, currency=command.currency, timezone=command.timezone)
    request = CommandRequest(tenant=tenant, operation="open_store", actor=actor)
    answer = await execution.execute(request, partial(handlers.open_store, command))
    assert answer.read(OpenedStore).id == tenant.id
    return tenant


async def issue_key(
    execution: CommandExecution, tenant: Tenant, command: IssueKey, *, secret_key: str, actor: str
) -> IssuedKey:
    """Hand out a key; its text exists in the answer only.

    Raises:
        UnknownPrincipal: the command names one the store does not have.
    """
    request = CommandRequest(tenant=tenant, operation="issue_key", actor=actor)
    answer = await execution.execute(request, partial(handlers.issue_key, command, secret_key=secret_key))
    return answer.read(IssuedKey)


async def revoke_key(
    execution: CommandExecution, tenant: Tenant, key_id: UUID, *, revocations: RevocationBroadcast, actor: str
) -> RevokedKey:
    """End a key, everywhere and at once.

    Raises:
        UnknownApiKey: the store does not have it.
    """
    request = CommandRequest(tenant=tenant, operation="revoke_key", actor=actor)
    answer = await execution.execute(request, partial(handlers.revoke_key, key_id))
    revoked = answer.read(RevokedKey)
    await revocations.announce(revoked.key_hash)
    return revoked
