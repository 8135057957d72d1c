"""How often what differs in Redis is looked at again: it may be about to be shown, or to be forgotten."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.state import STATE_TTL_MILLISECONDS, decode_state

_PAUSE_SECONDS = 0.2
_LOOKS = 5
"""Five pauses are the longest that a write-through takes before it gives up and the cache begins anew."""
_LOOKS_WHILE_BEHIND = _LOOKS + round(STATE_TTL_MILLISECONDS / 1_000 / _PAUSE_SECONDS)
"""A projector that died before it showed what it had committed leaves an older state, which expires."""


async def looks_again(is_behind: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """One for each time to look again: a few, and more as long as Redis shows readers an older state than the table."""
    for look in range(_LOOKS_WHILE_BEHIND):
        if look >= _LOOKS and not await is_behind():
            return
        await asyncio.sleep(_PAUSE_SECONDS)
        yield


async def shown_position(redis: MultiplexedRedis, tenant_id: UUID, *, name: str, version: int) -> int | None:
    """Up to which event readers of Redis are told that they see a projection; None where they go to the table."""
    state = await redis.call("HGET", TenantKeys(tenant_id).state_key(), f"{name}@{version}")
    return decode_state(state).position if isinstance(state, bytes) else None
