"""A head only rises, whoever tells of it and in whatever order."""

from uuid import uuid4

from shared_kernel.redis.heads import HEAD_TTL_MILLISECONDS, raise_head
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis

PATIENT = ConnectionLimits(timeout_seconds=10, stall_seconds=10, connect_seconds=10)


async def test_a_late_teller_lowers_nothing(redis_url: str) -> None:
    """And what is no number is replaced; a head is believed for a bounded time."""
    tenant_id = uuid4()
    key = TenantKeys(tenant_id).head_key()
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        seen = []
        for position in (5, 7, 6):
            await raise_head(client, tenant_id, position)
            seen.append(await client.call("GET", key))
        await client.call("SET", key, "soon")
        await raise_head(client, tenant_id, 8)
        seen.append(await client.call("GET", key))
        ttl = await client.call("PTTL", key)

    assert seen == [b"5", b"7", b"7", b"8"]
    assert isinstance(ttl, int)
    assert 0 < ttl <= HEAD_TTL_MILLISECONDS
