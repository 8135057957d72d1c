"""How often what differs in Redis is looked at again: it may be about to be shown, or to be forgotten."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from projections.runtime.checkpoints import Checkpoint
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
            yield  # what was older at the last look may have been shown, or have expired, since then
            return
        await asyncio.sleep(_PAUSE_SECONDS)
        yield


async def is_shown_behind(redis: MultiplexedRedis, checkpoint: Checkpoint) -> bool:
    """Whether readers of Redis are told of an older state than this; where they are told of none, they ask the table.

    By position, or by revision: a healed key changes rows where the projection stands.
    """
    field = f"{checkpoint.name}@{checkpoint.version}"
    state = await redis.call("HGET", TenantKeys(checkpoint.tenant_id).state_key(), field)
    if not isinstance(state, bytes):
        return False
    shown = decode_state(state)
    return shown.position < checkpoint.position or shown.revision < checkpoint.revision
