"""Stores and keys: load, decide, save."""

from uuid import UUID

from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.events.tenants import ApiKeyIssued, ApiKeyRevoked, StoreOpened
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.tenants import repository
from write_side.tenants.commands import IssuedKey, IssueKey, OpenedStore, OpenStore, RevokedKey
from write_side.tenants.errors import UnknownApiKey, UnknownPrincipal
from write_side.tenants.model import check_store


async def open_store(command: OpenStore, work: UnitOfWork) -> Outcome:
    """Open the store of the tenant at work."""
    check_store(command)
    await repository.open_store(work.connection, work.tenant.id, command, work.now)
    opened = StoreOpened(
        name=command.name,
        slug=command.slug,
        currency=command.currency,
        timezone=command.timezone,
        prices_include_tax=command.prices_include_tax,
        tax_rates=command.tax_rates,
        allowed_origins=command.allowed_origins,
    )
    work.record(opened, stream_id=work.tenant.id, stream_version=1)
    return Outcome(data=OpenedStore(id=work.tenant.id, slug=command.slug, version=1), version=1, status=201)


async def issue_key(command: IssueKey, work: UnitOfWork, *, secret_key: str) -> Outcome:
    """Make a key and keep its hash."""
    if command.principal_id is not None:
        known = await repository.has_principal(work.connection, work.tenant.id, command.principal_id)
        if not known:
            raise UnknownPrincipal("no key of this store belongs to that principal")
    key = new_api_key(live=command.live)
    stored = repository.NewKey(
        key_id=work.new_id(),
        principal_id=command.principal_id or work.new_id(),
        name=command.name,
        role=command.role.value,
        key_hash=hash_api_key(key, secret_key),
        expires_at=command.expires_at,
    )
    await repository.add_key(work.connection, work.tenant.id, stored, work.now)
    issued = ApiKeyIssued(
        key_id=stored.key_id,
        principal_id=stored.principal_id,
        name=stored.name,
        role=stored.role,
        key_hash=stored.key_hash,
        expires_at=stored.expires_at,
    )
    work.record(issued, stream_id=stored.key_id, stream_version=1)
    shown = IssuedKey(id=stored.key_id, principal_id=stored.principal_id, key=key, version=1)
    return Outcome(data=shown, version=1, status=201)


async def revoke_key(key_id: UUID, work: UnitOfWork) -> Outcome:
    """End a key; ending it again changes nothing."""
    key = await repository.lock_key(work.connection, work.tenant.id, key_id)
    if key is None:
        raise UnknownApiKey("this store has no such key")
    version = key.version
    if key.revoked_at is None:
        version += 1
        await repository.revoke_key(work.connection, work.tenant.id, key_id=key_id, version=version, now=work.now)
        work.record(ApiKeyRevoked(key_id=key_id, key_hash=key.key_hash), stream_id=key_id, stream_version=version)
    return Outcome(data=RevokedKey(id=key_id, version=version, key_hash=key.key_hash), version=version)
