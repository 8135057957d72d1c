"""Opening stores and handing out keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from shared_kernel.access.api_keys import hash_api_key
from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.access.roles import Role
from shared_kernel.identifiers import new_id
from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.builders.write_api import WriteApi
from tests.builders.write_side import WriteSide, store_command
from tests.eventually import eventually
from write_side.tenants.administration import issue_key, open_store, revoke_key
from write_side.tenants.authentication import authenticate, is_known_origin
from write_side.tenants.commands import IssueKey
from write_side.tenants.errors import InvalidStore, SlugTaken, UnknownApiKey, UnknownPrincipal

SECRET = "a secret of thirty-two characters or more"  # noqa: S105 - of this test only


class _Nobody:
    async def announce(self, key_hash: str) -> None:
        """Nobody hears it."""


async def test_a_store_begins_its_log_at_position_one(write_side: WriteSide) -> None:
    """With its settings in the first event, and its head on its shard."""
    (event,) = await write_side.log()
    assert (event.position, event.type, event.stream_id) == (1, "StoreOpened", write_side.tenant.id)
    assert event.payload["tax_rates"] == {"zero": 0, "reduced": 500, "standard": 2000}
    heads = await write_side.as_administrator("SELECT tenant_id, shard, position FROM log.tenant_head")
    assert [tuple(row) for row in heads] == [(write_side.tenant.id, shard_of(write_side.tenant.id), 1)]


async def test_a_slug_is_one_stores_own(write_side: WriteSide) -> None:
    """And settings that nothing could work with are refused together."""
    taken = msgspec.structs.replace(store_command(), slug=write_side.tenant.slug)
    with pytest.raises(SlugTaken):
        await open_store(write_side.execution, taken, actor="test")
    wrong = msgspec.structs.replace(store_command(), timezone="Europe/Atlantis", tax_rates={"zero": -1})
    with pytest.raises(InvalidStore) as refused:
        await open_store(write_side.execution, wrong, actor="test")
    assert [error.pointer for error in refused.value.errors] == ["/timezone", "/tax_rates/zero"]


async def test_a_key_opens_its_store_until_it_is_revoked(write_side: WriteSide) -> None:
    """Only its hash is kept, in rows and in events."""
    expires_at = datetime.now(UTC) + timedelta(days=90)
    command = IssueKey(name="till", role=Role.CLERK, expires_at=expires_at)
    issued = await issue_key(write_side.execution, write_side.tenant, command, secret_key=SECRET, actor="test")
    key_hash = hash_api_key(issued.key, SECRET)
    principal = await authenticate(write_side.pool, key_hash)
    assert principal is not None
    assert (principal.id, principal.key_id, principal.role) == (issued.principal_id, issued.id, Role.CLERK)
    assert (principal.tenant, principal.expires_at) == (write_side.tenant, expires_at)
    stored = await write_side.as_administrator("SELECT to_jsonb(k)::text AS row FROM access.api_key k")
    assert issued.key not in str([row["row"] for row in stored])
    assert issued.key not in str(await write_side.log())

    await revoke_key(write_side.execution, write_side.tenant, issued.id, revocations=_Nobody(), actor="test")
    assert await authenticate(write_side.pool, key_hash) is None
    again = await revoke_key(write_side.execution, write_side.tenant, issued.id, revocations=_Nobody(), actor="test")
    assert again.version == 2
    assert [event.type for event in await write_side.log()].count("ApiKeyRevoked") == 1


async def test_a_principal_outlives_its_keys(write_side: WriteSide) -> None:
    """A second key may be its own; one for a stranger's principal may not."""
    first = await _issue(write_side, IssueKey(name="till", role=Role.CLERK))
    rotated = IssueKey(name="till", role=Role.CLERK, principal_id=first)
    assert await _issue(write_side, rotated) == first
    other = write_side.as_tenant(await write_side.another_store())
    with pytest.raises(UnknownPrincipal):
        await _issue(other, rotated)
    with pytest.raises(UnknownApiKey):
        await revoke_key(write_side.execution, write_side.tenant, new_id(), revocations=_Nobody(), actor="test")


async def test_a_revoked_key_is_refused_at_once_by_processes_that_knew_it(write_api: WriteApi) -> None:
    """By a message: their memory alone would last fifteen seconds."""
    colleague = await write_api.another(role=Role.CLERK)
    body = {"name": "Cellar", "kind": "warehouse"}
    assert (await colleague.post("/locations", body)).status_code == 403
    side = write_api.write_side
    async with MultiplexedRedis.from_url(side.servers.redis_url) as redis:
        await redis.connect()
        await revoke_key(
            side.execution, side.tenant, colleague.key.id, revocations=RevocationMessages(redis), actor="test"
        )

        async def status() -> int:
            return (await colleague.post("/locations", body)).status_code

        await eventually(status, lambda code: code == 401, within_seconds=60)


async def test_origins_of_any_store_are_known(write_side: WriteSide) -> None:
    """And no others."""
    command = msgspec.structs.replace(store_command(), allowed_origins=("https://shop.example",))
    await open_store(write_side.execution, command, actor="test")
    assert await is_known_origin(write_side.pool, "https://shop.example")
    assert not await is_known_origin(write_side.pool, "https://evil.example")


async def _issue(write_side: WriteSide, command: IssueKey) -> UUID:
    issued = await issue_key(write_side.execution, write_side.tenant, command, secret_key=SECRET, actor="test")
    return issued.principal_id
