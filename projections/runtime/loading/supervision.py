"""Starting loaders when something waits for them: as many processes as this worker's share of the cores."""

import asyncio
import os
import sys
import time
from contextlib import suppress

import msgspec
import structlog

from projections.runtime.catalog import Catalog
from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.fault_points import Reach
from projections.runtime.leases import WORKER_SEEN_SECONDS
from projections.runtime.loading import claims
from projections.runtime.loading.loader import Loader
from projections.runtime.news import News
from shared_kernel.database.pool import Pool
from shared_kernel.subscription.stopping import heed_cancellation

_LOOK_SECONDS = 0.25
_PAUSE_SECONDS = 2.0
"""After a loader that failed: its claim must run out anyway."""
_END_SECONDS = 5.0
_NICENESS = 15
"""Live projection goes first wherever the two want the same core, from a loader's first import on."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")
_OF_THE_ARCHIVE = "AWS_"
"""Old events may lie in S3, and loaders read them there."""

log = structlog.get_logger()

_LIVE = "SELECT count(*) FROM projection.worker WHERE seen_at > clock_timestamp() - make_interval(secs => $1)"


class LoaderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How loaders are run.

    Attributes:
        processes: at most; None for this worker's share of the cores, 0 for none: the worker itself loads.
        variables: a loader's environment, besides what every process of ours has.
    """

    processes: int | None
    variables: dict[str, str]


class Loading:
    """One worker's loaders."""

    def __init__(
        self, *, log_pool: Pool, read_pool: Pool, catalog: Catalog, plan: LoaderPlan, reach: Reach, news: News
    ) -> None:
        self._read_pool = read_pool
        self._catalog = catalog
        self._plan = plan
        self._news = news
        self._own = Loader(log_pool=log_pool, read_pool=read_pool, catalog=catalog, reach=reach)

    async def run(self) -> None:
        """See to it that what waits is loaded, until cancelled."""
        while True:
            heed_cancellation()
            try:
                # What is loaded belongs to a build that is not finished.
                if not self._news.nothing_is_unfinished and await self._is_waiting():
                    await self._load()
            except DATABASE_FAILURES as error:
                log.warning("loading_interrupted", error=type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)
            await self._news.wait(_LOOK_SECONDS)

    async def _is_waiting(self) -> bool:
        async with self._read_pool.acquire() as connection:
            return await claims.is_waiting(connection, self._catalog)

    async def _load(self) -> None:
        count = await self._processes()
        if not count:
            while await self._own.load_one():  # bounded by what waits
                pass
            return
        async with self._read_pool.acquire() as connection:
            live_revisions = await claims.live_revisions(connection)
        variables = {
            **self._plan.variables,
            "SHELFWISE_LIVE_REVISIONS": f"{live_revisions}",
            "SHELFWISE_HEARD_AT": f"{time.monotonic()}",
        }
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._run_process(variables))

    async def _processes(self) -> int:
        if self._plan.processes is not None:
            return self._plan.processes
        live: int = await self._read_pool.fetchval(_LIVE, WORKER_SEEN_SECONDS)
        return max(1, len(os.sched_getaffinity(0)) // max(1, live))

    async def _run_process(self, variables: dict[str, str]) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "projections.runtime.loading",
                stdin=asyncio.subprocess.DEVNULL,
                env={
                    **{name: value for name, value in os.environ.items() if _is_inherited(name)},
                    **variables,
                    "SHELFWISE_PARENT_PID": f"{os.getpid()}",
                },
            )
        except OSError as error:  # no memory or no process left: what is live goes on, and this is tried again
            log.warning("loader_not_started", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        with suppress(ProcessLookupError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
            raise
        if code:
            log.warning("loader_ended", code=code)
            await asyncio.sleep(_PAUSE_SECONDS)


def _is_inherited(name: str) -> bool:
    return name in _INHERITED or name.startswith(_OF_THE_ARCHIVE)
