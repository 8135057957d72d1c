"""Revoked keys, told to every process at once: a message makes them forget what they remember of the key.

A lost message costs what the memory's own bound allows (`PrincipalCache`), since the database has the last word.
"""

import asyncio
from collections import OrderedDict
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared_kernel.access.principals import PrincipalCache
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.keys import REVOCATIONS_CHANNEL
from shared_kernel.redis.multiplexed import MultiplexedRedis

_MAX_REMEMBERED: Final = 10_000
"""Revocations are rare; one that is forgotten here has long been projected."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_QUIET_SECONDS: Final = 5.0
"""A subscription silent this long is asked whether it still lives."""
_KEY_HASH_LENGTH: Final = 64

_log = structlog.get_logger(component="access")


class RevocationMessages:
    """Tells every process, once a revocation is committed."""

    def __init__(self, redis: MultiplexedRedis) -> None:
        self._redis = redis

    async def announce(self, key_hash: str) -> None:
        """Say that the key with this hash opens nothing any more; unheard, it takes some seconds longer."""
        try:
            await self._redis.call("PUBLISH", REVOCATIONS_CHANNEL, key_hash)
        except (RedisUnavailable, RedisReplyError) as error:
            # It is committed: a Redis that refuses the message must not turn success into a failure.
            _log.warning("revocation_not_announced", reason=str(error))


class Revocations:
    """The keys this process was told of; the read side needs them until its own database knows."""

    def __init__(self, cache: PrincipalCache) -> None:
        self._cache = cache
        self._revoked: OrderedDict[str, None] = OrderedDict()

    def is_revoked(self, key_hash: str) -> bool:
        """Whether a message said so; a key never comes back from it."""
        return key_hash in self._revoked

    def hear(self, key_hash: str) -> None:
        """Forget a key's principal, and remember that it is none."""
        self._revoked[key_hash] = None
        while len(self._revoked) > _MAX_REMEMBERED:
            self._revoked.popitem(last=False)
        self._cache.forget(key_hash)

    async def listen(self, redis_url: str) -> None:
        """Hear messages until cancelled, coming back by itself after an outage."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        # Unbounded in attempts, for an outage has no bound; bounded in rate.
        while True:
            try:
                async with Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=10) as redis:
                    await self._listen(redis)
            except (RedisError, OSError, TimeoutError) as error:
                _log.info("revocations_away", error=type(error).__name__, pause_seconds=pause_seconds)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)

    async def _listen(self, redis: Redis) -> None:
        async with redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(REVOCATIONS_CHANNEL)
            while True:
                message = await subscription.get_message(timeout=_QUIET_SECONDS)
                if message is None:
                    await subscription.ping()
                elif isinstance(message["data"], bytes) and len(message["data"]) == _KEY_HASH_LENGTH:
                    self.hear(message["data"].decode("ascii", "replace"))
