"""arq's side of the worker: a job says only that a shard has news; work, retries and leases live in PostgreSQL.

arq is kept behind this file and `shared_kernel/doorbell.py`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.exceptions import RedisError

from shared_kernel.doorbell import ARQ_QUEUE, DRAIN_SHARD_JOB, decode_job, encode_job
from shared_kernel.subscription.stopping import heed_cancellation

_POLL_SECONDS = 0.2
"""Five looks a second: the hint is the fast path, the job the second, and a look takes half a millisecond."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_CONNECT_SECONDS = 2.0

log = structlog.get_logger()


async def run_jobs(redis_url: str, wake: Callable[[int], bool]) -> None:
    """Run arq's worker until cancelled, starting it again with backoff whenever Redis took it down."""
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        heed_cancellation()
        started_at = asyncio.get_running_loop().time()
        try:
            async with ArqRedis.from_url(redis_url, socket_connect_timeout=_CONNECT_SECONDS) as pool:
                await _run(_build(pool, wake))
        except (RedisError, OSError, TimeoutError) as error:
            log.info("arq_away", error=type(error).__name__, pause_seconds=pause_seconds)
        lived_seconds = asyncio.get_running_loop().time() - started_at
        longer = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)
        pause_seconds = _FIRST_PAUSE_SECONDS if lived_seconds > _LONGEST_PAUSE_SECONDS else longer
        await asyncio.sleep(pause_seconds)


async def _run(worker: Worker) -> None:
    try:
        await worker.async_run()
    finally:
        # arq's own close() calls what redis-py has deprecated; the pool is closed by whoever opened it.
        for task in worker.tasks.values():
            task.cancel()
        await asyncio.gather(*worker.tasks.values(), return_exceptions=True)


def _build(pool: ArqRedis, wake: Callable[[int], bool]) -> Worker:
    async def drain_shard(_context: dict[Any, Any], shard: int) -> bool:  # Any: arq's context
        return wake(shard)

    job = func(
        drain_shard,  # type: ignore[arg-type]  # arq types its coroutines as taking anything
        name=DRAIN_SHARD_JOB,
        keep_result=0,
        max_tries=1,
        timeout=10,
    )
    return Worker(
        functions=[job],
        queue_name=ARQ_QUEUE,
        redis_pool=pool,
        poll_delay=_POLL_SECONDS,
        handle_signals=False,
        log_results=False,
        max_jobs=32,
        job_serializer=encode_job,
        job_deserializer=decode_job,
    )
