"""Admitting a request by its tenant and its key: on Redis' clock, or by this process's share while Redis is away."""

import time
from collections.abc import Callable
from typing import Final, cast
from uuid import UUID

from shared_kernel.rate_limits.admission import ADDRESS, KEY, TENANT, Admission, admission, admission_from_lua
from shared_kernel.rate_limits.gcra_lua import ADMIT_LUA
from shared_kernel.rate_limits.local import DEFAULT_MAX_KEYS, LocalGcra, address_key, admit_all
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.scripts import Script

# The order of the limits in the scripts' KEYS, in their arguments and in their answers.
LIMIT_NAMES: Final = (TENANT, KEY)
_NANOSECONDS_PER_US: Final = 1000

MicrosecondClock = Callable[[], int]


def monotonic_us() -> int:
    """Return microseconds of a clock that is never set back."""
    return time.monotonic_ns() // _NANOSECONDS_PER_US


def limit_keys(tenant_id: UUID, key_id: UUID) -> tuple[str, str]:
    """Name the buckets, in the order of LIMIT_NAMES."""
    keys = TenantKeys(tenant_id)
    return keys.tenant_limit_key(), keys.principal_limit_key(key_id)


def limit_arguments(settings: RateLimitSettings) -> tuple[int, int, int, int]:
    """Return interval_us and burst of each limit, in the order of LIMIT_NAMES."""
    tenant, key = settings.tenant_bucket(), settings.key_bucket()
    return tenant.interval_us, tenant.burst, key.interval_us, key.burst


class LocalShare:
    """What this process may grant by itself: each limit divided by the number of processes."""

    def __init__(
        self, settings: RateLimitSettings, *, processes: int, clock_us: MicrosecondClock = monotonic_us
    ) -> None:
        tenants, keys = settings.tenant_bucket(processes=processes), settings.key_bucket(processes=processes)
        self._tenants: LocalGcra[UUID] = LocalGcra(tenants)
        self._keys: LocalGcra[UUID] = LocalGcra(keys)
        # A batch draws after one unit of its share is gone, and may cost more than the share is.
        self._most = max(1, min(tenants.burst, keys.burst) - 1)
        self._clock_us = clock_us

    def admit(self, *, tenant_id: UUID, key_id: UUID, cost: int) -> Admission:
        """Draw from both, or from neither."""
        limits = [(self._tenants, tenant_id), (self._keys, key_id)]
        return admission(LIMIT_NAMES, admit_all(limits, now_us=self._clock_us(), cost=min(cost, self._most)))


class AddressLimiter:
    """Limits who is not authenticated yet, in this process and in bounded memory."""

    def __init__(
        self,
        settings: RateLimitSettings,
        *,
        processes: int,
        clock_us: MicrosecondClock = monotonic_us,
        max_addresses: int = DEFAULT_MAX_KEYS,
    ) -> None:
        self._addresses: LocalGcra[str] = LocalGcra(
            settings.address_bucket(processes=processes), max_keys=max_addresses
        )
        self._clock_us = clock_us

    def takes(self, address: str) -> bool:
        """Draw one unit from the bucket of the address if it is there; `admit` then says why it is not."""
        return self._addresses.take(address_key(address), self._clock_us())

    def admit(self, address: str, *, cost: int = 1) -> Admission:
        """Draw from the bucket of the address, or of its IPv6 site."""
        decision = self._addresses.admit(address_key(address), now_us=self._clock_us(), cost=cost)
        return admission((ADDRESS,), (decision,))


class RateLimiter:
    """The write side's limits: one script call a request; the read side embeds the same Lua in its own script."""

    def __init__(self, redis: MultiplexedRedis, settings: RateLimitSettings, *, local_share: LocalShare) -> None:
        self._redis = redis
        self._arguments = limit_arguments(settings)
        self._local_share = local_share
        self._script = Script(ADMIT_LUA)

    async def admit(self, *, tenant_id: UUID, key_id: UUID, cost: int) -> Admission:
        """Draw from the tenant's and the key's bucket, or from neither; never fails because Redis does."""
        try:
            answer = await self._script.run(
                self._redis, keys=limit_keys(tenant_id, key_id), args=(cost, *self._arguments)
            )
        except (RedisUnavailable, RedisReplyError):  # whatever is wrong with Redis, commands go on
            return self._local_share.admit(tenant_id=tenant_id, key_id=key_id, cost=cost)
        return admission_from_lua(LIMIT_NAMES, cast("list[int]", answer))
