"""arq's side of the worker: a job says only that a shard has news; work, retries and leases live in PostgreSQL.

arq is kept behind this file and `shared_kernel/doorbell.py`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from arq.connections import RedisSettings
from arq.worker import Worker, func
from redis.exceptions import RedisError

from shared_kernel.doorbell import ARQ_QUEUE, DRAIN_SHARD_JOB, decode_job, encode_job

_POLL_SECONDS = 0.05
"""Twenty looks a second: the hint is the fast path, the job the second."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0

log = structlog.get_logger()


async def run_jobs(redis_url: str, wake: Callable[[int], bool]) -> None:
    """Run arq's worker until cancelled, starting it again with backoff whenever Redis took it down."""
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        worker = _build(redis_url, wake)
        started_at = asyncio.get_running_loop().time()
        try:
            await worker.async_run()
        except (RedisError, OSError, TimeoutError) as error:
            log.info("arq_away", error=type(error).__name__, pause_seconds=pause_seconds)
        finally:
            await _close(worker)
        lived = asyncio.get_running_loop().time() - started_at
        pause_seconds = (
            _FIRST_PAUSE_SECONDS if lived > _LONGEST_PAUSE_SECONDS else min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)
        )
        await asyncio.sleep(pause_seconds)


def _build(redis_url: str, wake: Callable[[int], bool]) -> Worker:
    async def drain_shard(_context: dict[Any, Any], shard: int) -> bool:  # Any: arq's context
        return wake(shard)

    settings = RedisSettings.from_dsn(redis_url)
    settings.conn_retries = 1
    settings.conn_timeout = 2
    return Worker(
        # arq types its coroutines as taking anything.
        functions=[
            func(
                drain_shard,  # type: ignore[arg-type]
                name=DRAIN_SHARD_JOB,
                keep_result=0,
                max_tries=1,
                timeout=10,
            )
        ],
        queue_name=ARQ_QUEUE,
        redis_settings=settings,
        poll_delay=_POLL_SECONDS,
        handle_signals=False,
        log_results=False,
        max_jobs=32,
        job_serializer=encode_job,
        job_deserializer=decode_job,
    )


async def _close(worker: Worker) -> None:
    try:
        await worker.close()
    except (RedisError, OSError, TimeoutError, AttributeError) as error:
        # A worker that never connected has nothing to close, which arq answers with an AttributeError.
        log.debug("arq_not_closed", error=type(error).__name__)
