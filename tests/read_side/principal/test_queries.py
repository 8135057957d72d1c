"""From a key's hash to its owner, as the read API's own role, before anybody knows the tenant."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from projections import principal, store
from read_side.principal.queries import authenticate
from shared_kernel.access.principals import Principal
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.events.tenants import ApiKeyIssued, ApiKeyRevoked, StoreOpened
from shared_kernel.tenancy import Tenant
from tests.builders.catalogue_events import TENANT_ID, recorded
from tests.builders.filling import fill
from tests.servers import Servers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD, EXPIRING, REVOKED, HOMELESS = "a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32
HOMELESS_TENANT = UUID(int=88)


def _issued(key_hash: str, **overrides: Any) -> ApiKeyIssued:  # noqa: ANN401 - a struct's fields
    values: dict[str, Any] = {
        "key_id": UUID(int=31),
        "principal_id": UUID(int=32),
        "name": "till",
        "role": "clerk",
        "key_hash": key_hash,
        "expires_at": None,
    }
    return ApiKeyIssued(**values | overrides)


@pytest.fixture
async def pool(servers: Servers) -> AsyncIterator[Pool]:
    """A store with three keys, and a key whose store is not projected yet."""
    opened = StoreOpened(
        name="The Corner",
        slug="corner",
        currency="GBP",
        timezone="Europe/London",
        prices_include_tax=True,
        tax_rates={},
        allowed_origins=("https://corner.example",),
    )
    events = [
        recorded(opened, position=1),
        recorded(_issued(GOOD), position=2),
        recorded(_issued(EXPIRING, expires_at=NOW + timedelta(hours=1)), position=3),
        recorded(_issued(REVOKED, key_id=UUID(int=33)), position=4),
        recorded(ApiKeyRevoked(key_id=UUID(int=33), key_hash=REVOKED), position=5),
    ]
    await fill(servers, store.PROJECTION, events)
    await fill(servers, principal.PROJECTION, events)
    await fill(servers, principal.PROJECTION, [recorded(_issued(HOMELESS), tenant_id=HOMELESS_TENANT)])
    settings = PoolSettings(application_name="tests", max_size=2)
    async with build_pool(servers.url_as(DatabaseRole.READ_API), settings) as opened_pool:
        yield opened_pool


async def test_a_key_names_its_owner_role_and_store(pool: Pool) -> None:
    """All that a request needs to know, in one look."""
    assert await authenticate(pool, GOOD, NOW) == Principal(
        id=UUID(int=32),
        key_id=UUID(int=31),
        role=Role.CLERK,
        store=Tenant(id=TENANT_ID, slug="corner", currency="GBP", timezone="Europe/London"),
        expires_at=None,
        allowed_origins=("https://corner.example",),
    )


async def test_a_key_opens_until_it_expires(pool: Pool) -> None:
    """Not at that moment any more."""
    expires_at = NOW + timedelta(hours=1)
    found = await authenticate(pool, EXPIRING, NOW)

    assert found is not None
    assert found.expires_at == expires_at
    assert await authenticate(pool, EXPIRING, expires_at) is None


@pytest.mark.parametrize("key_hash", [REVOKED, HOMELESS, "e5" * 32, "", "x", "a1" * 31 + "'; ", GOOD.upper()])
async def test_every_other_key_opens_nothing(pool: Pool, key_hash: str) -> None:
    """Revoked, of a store that is not there yet, unknown, or no hash at all: all alike."""
    assert await authenticate(pool, key_hash, NOW) is None


async def test_only_the_active_build_counts(pool: Pool, servers: Servers) -> None:
    """A build being filled beside it may not know of a revocation yet."""
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.PROJECTOR))
    try:
        await connection.execute("SELECT projection.create_build('principal', 1)")
        await connection.execute(
            "INSERT INTO read.principal__v1 "
            "(tenant_id, build, position, key_hash, key_id, principal_id, role, revoked) "
            "SELECT tenant_id, 2, position, key_hash, key_id, principal_id, role, NOT revoked FROM read.principal__v1"
        )
    finally:
        await connection.close()

    assert await authenticate(pool, GOOD, NOW) is not None
    assert await authenticate(pool, REVOKED, NOW) is None


async def test_who_names_no_hash_sees_no_key(pool: Pool) -> None:
    """And who names one sees that one alone, whatever is asked."""
    async with pool.acquire() as connection, connection.transaction():
        assert await connection.fetchval("SELECT count(*) FROM read.principal__v1") == 0
        await connection.execute("SELECT set_config('app.key_hash', $1, true)", GOOD)
        assert [row["key_hash"] for row in await connection.fetch("SELECT key_hash FROM read.principal__v1")] == [GOOD]
    async with pool.acquire() as connection, connection.transaction():
        assert await connection.fetchval("SELECT count(*) FROM read.principal__v1") == 0


async def test_the_look_up_reads_an_index_and_not_every_store_s_keys(pool: Pool) -> None:
    """There is one for the hash alone, since no tenant leads to it."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SELECT set_config('app.key_hash', $1, true)", GOOD)
        plan = await connection.fetchval(
            "EXPLAIN (FORMAT JSON) SELECT tenant_id FROM read.principal__v1 WHERE key_hash = $1", GOOD
        )

    indexes = _indexes(msgspec.json.decode(plan)[0]["Plan"])
    assert indexes
    assert not any(name.endswith("_pkey") for name in indexes)


def _indexes(node: dict[str, Any]) -> list[str]:  # Any: EXPLAIN's own shape
    own = [node["Index Name"]] if "Index Name" in node else []
    return own + [name for child in node.get("Plans", []) for name in _indexes(child)]
