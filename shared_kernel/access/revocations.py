"""Revoked keys, told to every process at once: a message makes them forget what they remember of the key.

A lost message costs what the memory's own bound allows (`PrincipalCache`), since the database has the last word.
"""

from collections import OrderedDict
from typing import Final

import structlog

from shared_kernel.access.principals import PrincipalCache
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.keys import REVOCATIONS_CHANNEL
from shared_kernel.redis.listening import Hear, Listener
from shared_kernel.redis.multiplexed import MultiplexedRedis

_MAX_REMEMBERED: Final = 10_000
"""Revocations are rare; one that is forgotten here has long been projected."""
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

    def channels(self) -> dict[str, Hear]:
        """What a process has to listen to, and how."""
        return {REVOCATIONS_CHANNEL: self._hear}

    async def listen(self, redis_url: str) -> None:
        """Hear messages until cancelled, coming back by itself after an outage."""
        await Listener.from_url(redis_url, self.channels(), client_name="revocations").run()

    def _hear(self, message: bytes) -> None:
        if len(message) == _KEY_HASH_LENGTH:
            self.hear(message.decode("ascii", "replace"))
