"""Hearing the write side's hints: a subscription that comes back by itself for as long as the worker lives."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias
from uuid import UUID

from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.keys import DOORBELL_CHANNEL
from shared_kernel.redis.listening import Listener

_MOST_DIGITS = 18
"""Below 2 ** 63, which has 19."""

Wake: TypeAlias = Callable[[int], object]
Hear: TypeAlias = Callable[[UUID, int], bool]


def hint(tenant_id: UUID, position: int) -> str:
    """What is published where a tenant's log has grown: up to where."""
    return f"{tenant_id.hex} {position}"


async def listen(redis_url: str, wake: Wake, *, hear: Hear | None = None) -> None:
    """Pass on who has news, until cancelled. Hints missed while away are the sweep's to find.

    Args:
        redis_url: where the doorbell rings.
        wake: called with the shard.
        hear: called before it with the tenant and how far its log goes; where it says True, nobody need be woken.
    """
    pass_it_on = partial(pass_on, wake=wake, hear=hear)
    await Listener.from_url(redis_url, {DOORBELL_CHANNEL: pass_it_on}, client_name="doorbell").run()


def pass_on(message: bytes, *, wake: Wake, hear: Hear | None) -> None:
    """Tell what was published to those of `listen`."""
    news = _read(message)
    if isinstance(news, int):
        wake(news)
    elif news is not None:
        tenant_id, position = news
        if hear is None or not hear(tenant_id, position):
            wake(shard_of(tenant_id))


def _is_number(digits: bytes) -> bool:
    """Whether it is one PostgreSQL could have counted to; what is beyond that no query may be asked with."""
    return digits.isdigit() and len(digits) <= _MOST_DIGITS


def _read(message: bytes) -> tuple[UUID, int] | int | None:
    """A hint; or only a shard, as a release before this one says it. Anything else is nobody's."""
    match message.split():
        case [shard] if _is_number(shard):
            return int(shard)
        case [tenant, position] if _is_number(position):
            try:
                return UUID(hex=tenant.decode()), int(position)
            except ValueError:
                return None
        case _:
            return None
