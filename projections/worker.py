"""The projector: `python -m projections.worker`. Its whole object graph is in this file.

Two paths lead to a drain. The hint on the doorbell's channel wakes it within a millisecond; the arq job is the second
path, and the sweep in each drain the third. None of them carries data, so losing any costs only time. arq's loop is
restarted with backoff when Redis goes away; the drains go on projecting into PostgreSQL meanwhile.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import msgspec
import structlog
import uvloop

from projections.named import REGISTRY, projections_named
from projections.registry import PROJECTIONS
from projections.runtime.cache import WRITE_LIMITS
from projections.runtime.catalog import AnyProjection, Catalog, ask_for_new_versions, ensure_tables
from projections.runtime.errors import DATABASE_FAILURES
from projections.runtime.fault_points import Reach, carry_on
from projections.runtime.freezing import run_freezing
from projections.runtime.indexing import run_indexing
from projections.runtime.jobs import run_jobs
from projections.runtime.leases import (
    LEASE_SECONDS,
    LEASES,
    LEASES_BEHIND,
    LeaseTimes,
    Probe,
    announce,
    session_name,
)
from projections.runtime.lines import Line, LineChangedError, Place, keep_place, line_of, take_place
from projections.runtime.live import LiveRounds
from projections.runtime.loading.supervision import LoaderPlan, Loading
from projections.runtime.news import News
from projections.runtime.parts import DrainParts
from projections.runtime.progress import Progress
from projections.runtime.requests import run_requests
from projections.runtime.retiring import GRACE_SECONDS
from projections.runtime.shards import shard_keeper
from projections.runtime.skipping import Skips
from projections.runtime.statistics import Statistics
from shared_kernel.database.pool import PLANNED_ONCE, OpeningPool, PoolSettings, build_pool
from shared_kernel.http.health import Check, Health
from shared_kernel.http.probe import serve_probe
from shared_kernel.identifiers import new_id
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.observability.metrics import Metrics
from shared_kernel.process import collect_rarely, die_with_parent, keep_for_good
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.settings import read_settings
from shared_kernel.subscription.hints import listen
from shared_kernel.subscription.shards import ShardKeeper
from shared_kernel.subscription.stopping import heed_cancellation

_POOL_SIZE = 10
"""Three live batches at a time and as many of rebuilds, each with one connection to either database, and some for
heartbeat, upkeep and requests."""
_REBUILDS_AT_A_TIME = 3
_STATEMENT_TIMEOUT_SECONDS = 30.0
_START_PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class ProjectorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the projector reads from `SHELFWISE_*`. The URLs log in as the role `shelfwise_projector`."""

    write_database_url: str
    read_database_url: str
    redis_url: str
    probe_port: int = 9100
    """Of `/health/…` and `/metrics`; 0 lets the system choose."""
    probe_host: str = "127.0.0.1"
    lease_seconds: float = LEASE_SECONDS
    """How long a dead projector's shards stand still before another takes them."""
    idle_in_transaction_seconds: float = 5.0
    """How long a frozen projector holds its locks; shards it holds locks of cannot be taken from it before."""
    build_grace_seconds: float = GRACE_SECONDS
    """How long the rows of a build that nobody reads any more are kept."""
    rebuild_processes: int | None = None
    """How many processes load builds at a time; none given, this projector's share of the cores; 0, the projector."""
    projections_from: str = REGISTRY
    """`module:list` of what to run; the registry, but for tests and measurements."""
    log_level: str = "info"
    log_format: LogFormat = "auto"
    parent_pid: int | None = None
    """Set by `shelfwise up`, whose children must not outlive it."""


class ProjectorParts(msgspec.Struct, frozen=True, kw_only=True):
    """The projector's singletons, as `projector_parts` made them."""

    worker_id: UUID
    metrics: Metrics
    drains: DrainParts
    live: LiveRounds
    keeper: ShardKeeper
    loading: Loading
    line: Line
    place: Place


@asynccontextmanager
async def projector_parts(
    settings: ProjectorSettings, *, projections: Sequence[AnyProjection] = PROJECTIONS, reach: Reach = carry_on
) -> AsyncIterator[ProjectorParts]:
    """Build everything, in this order, and close it in the reverse.

    Args:
        settings: where the databases and Redis are.
        projections: what to run; tests may run others.
        reach: what happens at fault points; tests die there.
    """
    async with AsyncExitStack() as stack:
        worker_id = new_id()
        pools = [_pool(settings, url, worker_id) for url in (settings.write_database_url, settings.read_database_url)]
        log_pool, read_pool = [await stack.enter_async_context(pool) for pool in pools]
        redis = await stack.enter_async_context(
            MultiplexedRedis.from_url(settings.redis_url, limits=WRITE_LIMITS, client_name="projector")
        )
        line, times = line_of(projections), LeaseTimes(lease_seconds=settings.lease_seconds)
        async with read_pool.acquire() as connection:
            place = await take_place(connection, line, times)
            leases = LEASES_BEHIND if place.is_behind else LEASES
            catalog = Catalog(place.own(projections))
            await leases.ensure(connection)
            await ensure_tables(connection, catalog)
            await ask_for_new_versions(connection, catalog)
        metrics = Metrics()
        drains = DrainParts(
            log_pool=log_pool,
            read_pool=read_pool,
            redis=redis,
            catalog=catalog,
            reach=reach,
            progress=Progress(metrics.registry),
            rebuild_turns=asyncio.Semaphore(_REBUILDS_AT_A_TIME),
            times=times,
            leases=leases,
            statistics=Statistics(read_pool),
            skips=Skips(catalog),
            news=News(),
            grace_seconds=settings.build_grace_seconds,
        )
        plan = _loader_plan(settings, projections)
        live = LiveRounds(drains)
        yield ProjectorParts(
            worker_id=worker_id,
            metrics=metrics,
            drains=drains,
            live=live,
            keeper=shard_keeper(drains, live, worker_id),
            line=line,
            place=place,
            loading=Loading(
                log_pool=log_pool, read_pool=read_pool, catalog=catalog, plan=plan, reach=reach, news=drains.news
            ),
        )


def _loader_plan(settings: ProjectorSettings, projections: Sequence[AnyProjection]) -> LoaderPlan:
    """A loader's process can run what has a name; anything else is loaded in this one."""
    is_named = projections is projections_named(settings.projections_from)
    names = ("write_database_url", "read_database_url", "projections_from", "log_level", "log_format")
    return LoaderPlan(
        processes=settings.rebuild_processes if is_named else 0,
        variables={f"SHELFWISE_{name.upper()}": str(getattr(settings, name)) for name in names},
    )


async def run_projector(
    settings: ProjectorSettings, *, projections: Sequence[AnyProjection] = PROJECTIONS, reach: Reach = carry_on
) -> None:
    """Project until cancelled or until a part ends that should not; anew whenever releases come or go beside it."""
    while True:
        heed_cancellation()
        try:
            # In a task of its own: Python 3.11's task groups leave a mark of cancellation on the task they fail in.
            await asyncio.create_task(_run_in_place(settings, projections, reach), name="projector-in-place")
        except* LineChangedError:
            log.info("projector_takes_its_new_place")


async def _run_in_place(settings: ProjectorSettings, projections: Sequence[AnyProjection], reach: Reach) -> None:
    async with projector_parts(settings, projections=projections, reach=reach) as parts:
        health, host = Health(_checks(parts)), settings.probe_host
        async with (
            serve_probe(port=settings.probe_port, host=host, health=health, metrics=parts.metrics) as port,
            asyncio.TaskGroup() as group,
        ):
            await _announce(parts, host, port)
            log.info(
                "projector_started",
                worker_id=str(parts.worker_id),
                projections=len(parts.drains.catalog.subjects),
                probe=port,
            )
            for part in _loops(settings, parts):
                group.create_task(part)


async def _announce(parts: ProjectorParts, host: str, port: int) -> None:
    async with parts.drains.read_pool.acquire() as connection:
        await announce(connection, parts.worker_id, Probe(machine=socket.gethostname(), host=host, port=port))


def _loops(settings: ProjectorSettings, parts: ProjectorParts) -> list[Coroutine[None, None, None]]:
    return [
        parts.keeper.run(),
        parts.live.run(),
        parts.drains.statistics.run(),
        listen(settings.redis_url, parts.keeper.wake, hear=parts.live.hear),
        run_jobs(settings.redis_url, parts.keeper.wake),
        run_requests(parts.drains, parts.keeper),
        run_freezing(parts.drains.read_pool, parts.drains.catalog, parts.drains.news),
        run_indexing(parts.drains, lambda: parts.keeper.held, parts.live.gives_way),
        parts.loading.run(),
        keep_place(parts.drains.read_pool, parts.line, parts.place, parts.drains.times),
    ]


def _checks(parts: ProjectorParts) -> list[Check]:
    """Green while both databases answer and this worker's heartbeat reaches the leases."""

    async def heartbeat() -> None:
        beaten_at = parts.keeper.beaten_at
        if beaten_at is None or asyncio.get_running_loop().time() - beaten_at > parts.drains.times.seen_seconds:
            message = "no heartbeat"
            raise TimeoutError(message)

    return [
        Check(name="log", run=lambda: parts.drains.log_pool.fetchval("SELECT 1")),
        Check(name="read_database", run=lambda: parts.drains.read_pool.fetchval("SELECT 1")),
        Check(name="heartbeat", run=heartbeat),
    ]


def _pool(settings: ProjectorSettings, url: str, worker_id: UUID) -> OpeningPool:
    bounds = PoolSettings(
        application_name=session_name(worker_id),
        max_size=_POOL_SIZE,
        statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS,
        command_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS,
        idle_in_transaction_timeout_seconds=settings.idle_in_transaction_seconds,
        planner=PLANNED_ONCE,
    )
    return build_pool(url, bounds)


async def run_until_signalled(
    settings: ProjectorSettings, *, projections: Sequence[AnyProjection] = PROJECTIONS, reach: Reach = carry_on
) -> None:
    """Run the projector until SIGTERM or SIGINT, waiting for databases that are not there yet."""
    projector = asyncio.create_task(_persist(settings, projections, reach))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, projector.cancel)
    try:
        await projector
    except asyncio.CancelledError:
        log.info("projector_stopped")


async def _persist(settings: ProjectorSettings, projections: Sequence[AnyProjection], reach: Reach) -> None:
    # Unbounded in attempts: a projector has nothing better to do than to wait for its databases, with a red probe.
    while True:
        heed_cancellation()
        try:
            await run_projector(settings, projections=projections, reach=reach)
        except* DATABASE_FAILURES as group:
            log.warning("projector_restarts", error=type(group.exceptions[0]).__name__)
        await asyncio.sleep(_START_PAUSE_SECONDS)


def main() -> None:
    """The process's entry."""
    settings = read_settings(ProjectorSettings, os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    if settings.parent_pid is not None:
        die_with_parent(parent_pid=settings.parent_pid)
    keep_for_good()
    collect_rarely()
    uvloop.run(run_until_signalled(settings, projections=projections_named(settings.projections_from)))


if __name__ == "__main__":
    main()
