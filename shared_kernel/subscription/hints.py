"""Hearing the write side's hints: a subscription that comes back by itself for as long as the worker lives."""

import asyncio
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared_kernel.redis.keys import DOORBELL_CHANNEL
from shared_kernel.subscription.stopping import heed_cancellation

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_QUIET_SECONDS = 5.0
"""A subscription silent this long is asked whether it still lives."""

log = structlog.get_logger()


async def listen(redis_url: str, wake: Callable[[int], object]) -> None:
    """Call `wake` with each shard that has news, until cancelled. Hints missed while away are the sweep's to find."""
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        heed_cancellation()
        try:
            async with (
                Redis.from_url(redis_url, socket_connect_timeout=2, health_check_interval=5) as redis,
                redis.pubsub(ignore_subscribe_messages=True) as subscription,
            ):
                await subscription.subscribe(DOORBELL_CHANNEL)
                pause_seconds = _FIRST_PAUSE_SECONDS
                while True:
                    heed_cancellation()
                    message = await subscription.get_message(timeout=_QUIET_SECONDS)
                    if message is None:
                        await subscription.ping()
                    elif (shard := _shard(message["data"])) is not None:
                        wake(shard)
        except (RedisError, OSError, TimeoutError) as error:
            log.info("doorbell_away", error=type(error).__name__, pause_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)


def _shard(data: object) -> int | None:
    return int(data) if isinstance(data, bytes) and data.isdigit() else None
