"""After a commit the write side rings: a hint that wakes projectors and tells readers the head, and an arq job a shard.

Nothing is lost when a ring is: the projector sweeps, readers ask the log. So ringing never delays or fails a command.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec
import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from shared_kernel.log.partitions import shard_of
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.heads import raise_heads
from shared_kernel.redis.keys import DOORBELL_CHANNEL
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import pack_shared
from shared_kernel.subscription.hints import hint

DRAIN_SHARD_JOB = "drain_shard"
ARQ_QUEUE = "sw:arq:shards"
_JOB_INTERVAL_SECONDS = 1.0
"""Of a shard's arq jobs: the hint wakes, the job is the second path, and each costs a millisecond at its two ends."""


def encode_job(job: dict[str, Any]) -> bytes:
    """Serialize a job for arq, whose default, pickle, would run whatever Redis holds."""
    return msgspec.msgpack.encode(job)


def decode_job(stored: bytes) -> dict[str, Any]:
    """The job an `encode_job` wrote."""
    return msgspec.msgpack.decode(stored, type=dict[str, Any])


log = structlog.get_logger()


class Doorbell(Protocol):
    """What command execution needs: tell others that a tenant's log grew."""

    def ring(self, tenant_id: UUID, position: int) -> None:
        """Return at once; the ringing happens beside."""
        ...


class RedisDoorbell:
    """Rings through Redis: heads and hints in one pipeline per turn of the loop, arq jobs at a bounded rate."""

    def __init__(self, redis: MultiplexedRedis, jobs: ArqRedis) -> None:
        self._redis = redis
        self._jobs = jobs
        self._pending: dict[UUID, int] = {}
        self._ringing: asyncio.Task[None] | None = None
        self._next_job_at: dict[int, float] = {}
        self._due_jobs: set[int] = set()
        self._enqueuing: asyncio.Task[None] | None = None

    def ring(self, tenant_id: UUID, position: int) -> None:
        """Note the news, and make sure somebody is spreading it."""
        self._pending[tenant_id] = max(position, self._pending.get(tenant_id, 0))
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._spread(), name="doorbell")

    async def aclose(self) -> None:
        """Let what is being spread arrive, for a bounded time."""
        under_way = {task for task in (self._ringing, self._enqueuing) if task is not None}
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=1.0)
            for task in late:
                task.cancel()

    async def _spread(self) -> None:
        while self._pending:
            news, self._pending = self._pending, {}
            self._note_due({shard_of(tenant_id) for tenant_id in news})
            try:
                await self._hint(news)
            except (RedisUnavailable, RedisReplyError) as error:
                log.debug("doorbell_not_heard", tenants=len(news), reason=type(error).__name__)

    async def _hint(self, news: Mapping[UUID, int]) -> None:
        """All of it leaves at once: whoever is woken may find the head of before, and asks the log if it matters."""
        waking = (self._redis.send(pack_shared(("PUBLISH", DOORBELL_CHANNEL, hint(*one)))) for one in news.items())
        await asyncio.gather(*waking, raise_heads(self._redis, news))

    def _note_due(self, shards: Iterable[int]) -> None:
        """Have jobs enqueued beside: it takes arq several round trips each, for which no hint should wait."""
        now = time.monotonic()
        due = [shard for shard in shards if self._next_job_at.get(shard, 0.0) <= now]
        self._next_job_at.update(dict.fromkeys(due, now + _JOB_INTERVAL_SECONDS))
        self._due_jobs.update(due)
        if self._due_jobs and (self._enqueuing is None or self._enqueuing.done()):
            self._enqueuing = asyncio.create_task(self._enqueue(), name="doorbell-jobs")

    async def _enqueue(self) -> None:
        while self._due_jobs:
            shard = self._due_jobs.pop()
            try:
                await self._jobs.enqueue_job(DRAIN_SHARD_JOB, shard, _job_id=f"shard-{shard}", _queue_name=ARQ_QUEUE)
            except (RedisError, OSError) as error:
                log.debug("doorbell_job_lost", shard=shard, reason=type(error).__name__)
