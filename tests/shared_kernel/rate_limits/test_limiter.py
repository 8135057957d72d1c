"""The write side's limiter on a real Redis' clock, and without Redis."""

import asyncio
from uuid import UUID, uuid4

import pytest

from shared_kernel.rate_limits.limiter import AddressLimiter, LocalShare, RateLimiter, limit_keys
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis

PATIENT = ConnectionLimits(timeout_seconds=10, stall_seconds=10, connect_seconds=10)
# One unit a minute or less: nothing refills while a test runs.
SETTINGS = RateLimitSettings(
    tenant_per_minute=5, tenant_burst=5, key_per_minute=3, key_burst=3, address_per_minute=4, address_burst=4
)


def limiter(client: MultiplexedRedis, *, processes: int = 1) -> RateLimiter:
    """A limiter whose local clock stands still."""
    return RateLimiter(client, SETTINGS, local_share=LocalShare(SETTINGS, processes=processes, clock_us=lambda: 0))


async def test_the_tighter_limit_decides_and_a_refusal_charges_neither(redis_url: str) -> None:
    """A key's three, then the tenant's remaining two by another key, although the first key keeps knocking."""
    tenant_id, first, second = uuid4(), uuid4(), uuid4()
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        limits = limiter(client)
        by_first = [await limits.admit(tenant_id=tenant_id, key_id=first, cost=1) for _ in range(6)]
        by_second = [await limits.admit(tenant_id=tenant_id, key_id=second, cost=1) for _ in range(3)]
    assert [(a.allowed, a.limit, a.remaining) for a in by_first] == [
        (True, "key", 2),
        (True, "key", 1),
        (True, "key", 0),
        *[(False, "key", 0)] * 3,
    ]
    assert by_first[0].reset_seconds == 20
    assert by_first[0].retry_after_seconds == 0
    assert 15 <= by_first[3].retry_after_seconds <= 20
    assert [(a.allowed, a.limit, a.remaining) for a in by_second] == [
        (True, "tenant", 1),
        (True, "tenant", 0),
        (False, "tenant", 0),
    ]


async def test_processes_share_one_bucket_and_racing_admits_no_more(redis_url: str) -> None:
    """Two processes' connections, fifty requests at once, five in the tenant's bucket."""
    tenant_id = uuid4()
    async with (
        MultiplexedRedis.from_url(redis_url, limits=PATIENT) as one,
        MultiplexedRedis.from_url(redis_url, limits=PATIENT) as two,
    ):
        await one.connect()
        await two.connect()
        both = [limiter(one), limiter(two)]
        admissions = await asyncio.gather(
            *(both[number % 2].admit(tenant_id=tenant_id, key_id=uuid4(), cost=1) for number in range(50))
        )
    assert sum(admission.allowed for admission in admissions) == 5


async def test_a_bucket_is_forgotten_once_it_is_full_again(redis_url: str) -> None:
    """The keys expire by themselves, within the minute that the largest bucket takes to refill."""
    tenant_id, key_id = uuid4(), uuid4()
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        await limiter(client).admit(tenant_id=tenant_id, key_id=key_id, cost=1)
        tenant_ms, key_ms = await client.pipeline([("PTTL", key) for key in limit_keys(tenant_id, key_id)])
    assert isinstance(tenant_ms, int)
    assert isinstance(key_ms, int)
    assert 2_000 < tenant_ms <= 12_000
    assert 10_000 < key_ms <= 20_000


async def test_a_redis_that_refuses_the_script_limits_nobody_s_work(redis_url: str) -> None:
    """A key of another type, a missing permission: the process grants its share, as if Redis were away."""
    tenant_id, key_id = uuid4(), uuid4()
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        await client.call("HSET", limit_keys(tenant_id, key_id)[0], "not", "a number")
        limits = limiter(client)

        answers = [await limits.admit(tenant_id=tenant_id, key_id=key_id, cost=1) for _ in range(4)]

    assert [answer.allowed for answer in answers] == [True, True, True, False]


async def test_without_redis_a_process_grants_its_share() -> None:
    """Of a tenant's five and a key's three, two processes grant two and one each; nobody waits and nothing fails."""
    client = MultiplexedRedis.from_url("unix:///nonexistent/redis.sock")
    limits = limiter(client, processes=2)
    tenant_id = uuid4()
    admissions = [await limits.admit(tenant_id=tenant_id, key_id=UUID(int=number // 2), cost=1) for number in range(6)]
    assert [(a.allowed, a.limit) for a in admissions] == [
        (True, "key"),
        (False, "key"),
        (True, "tenant"),
        (False, "key"),
        (False, "tenant"),
        (False, "tenant"),
    ]
    assert (await limits.admit(tenant_id=uuid4(), key_id=uuid4(), cost=1)).allowed
    await client.aclose()


def test_addresses_are_limited_by_themselves_in_bounded_memory() -> None:
    """Each address has a bucket, an IPv6 site has one, and the oldest of too many is forgotten."""
    addresses = AddressLimiter(SETTINGS, processes=1, clock_us=lambda: 0, max_addresses=2)
    admissions = [addresses.admit(f"2001:db8::{number}") for number in range(1, 6)]
    assert [(a.allowed, a.limit) for a in admissions] == [(True, "address")] * 4 + [(False, "address")]
    assert addresses.admit("192.0.2.1", cost=4).allowed
    assert not addresses.admit("192.0.2.1").allowed
    assert addresses.admit("192.0.2.2").allowed
    assert addresses.admit("2001:db8::9").allowed


@pytest.mark.parametrize(
    ("per_minute", "burst"),
    [(0, 0), (10, 0), (10, 11), (60_000_001, 1)],
)
def test_settings_that_mean_nothing_are_refused(per_minute: int, burst: int) -> None:
    """A burst of none admits nobody; a burst above a minute's worth would show more than the quota declared."""
    with pytest.raises(ValueError, match="key"):
        RateLimitSettings(key_per_minute=per_minute, key_burst=burst)
