"""Hearing the write side's hints: a subscription that comes back by itself for as long as the worker lives."""

from collections.abc import Callable

from shared_kernel.redis.keys import DOORBELL_CHANNEL
from shared_kernel.redis.listening import Listener


async def listen(redis_url: str, wake: Callable[[int], object]) -> None:
    """Call `wake` with each shard that has news, until cancelled. Hints missed while away are the sweep's to find."""

    def hear(message: bytes) -> None:
        if message.isdigit():
            wake(int(message))

    await Listener.from_url(redis_url, {DOORBELL_CHANNEL: hear}, client_name="doorbell").run()
