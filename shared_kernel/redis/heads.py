"""A tenant's head in Redis: the last position of its log that anybody told of lately. It only ever rises."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from shared_kernel.redis.errors import RedisReplyError
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.scripts import Script, ScriptCall, run_scripts

HEAD_TTL_MILLISECONDS: Final = 5_000
"""A head older than this is not believed: whoever reads asks the log again."""

# KEYS: head. ARGV: position, milliseconds. Who is slow must not put an older head over a newer one.
_RAISE: Final = Script(
    """
    local known = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
    if tonumber(ARGV[1]) >= known then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
    return 1
    """
)


async def raise_head(redis: MultiplexedRedis, tenant_id: UUID, position: int) -> None:
    """Tell readers how far the log is, unless they know of more.

    Raises: what `MultiplexedRedis.call` raises.
    """
    await _RAISE.run(redis, keys=[TenantKeys(tenant_id).head_key()], args=[position, HEAD_TTL_MILLISECONDS])


async def raise_heads(redis: MultiplexedRedis, heads: Mapping[UUID, int]) -> None:
    """The same for many stores, in one pipeline.

    Raises: what `MultiplexedRedis.pipeline` raises; RedisReplyError for the first that is refused.
    """
    calls = [
        ScriptCall(script=_RAISE, keys=(TenantKeys(tenant_id).head_key(),), args=(position, HEAD_TTL_MILLISECONDS))
        for tenant_id, position in heads.items()
    ]
    for reply in await run_scripts(redis, calls):
        if isinstance(reply, RedisReplyError):
            raise reply
