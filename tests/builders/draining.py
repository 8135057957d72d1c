"""What a worker's shards share, for tests that put parts of a drain to work alone."""

import asyncio

from prometheus_client import CollectorRegistry

from projections.runtime.fault_points import carry_on
from projections.runtime.leases import LEASES, LeaseTimes
from projections.runtime.news import News
from projections.runtime.parts import DrainParts
from projections.runtime.progress import Progress
from projections.runtime.skipping import Skips
from projections.runtime.statistics import Statistics
from tests.builders.projecting import Runtime


def parts_of(runtime: Runtime) -> DrainParts:
    """A worker's singletons."""
    return DrainParts(
        log_pool=runtime.log_pool, read_pool=runtime.read_pool, redis=runtime.redis, catalog=runtime.catalog,
        reach=carry_on, rebuild_turns=asyncio.Semaphore(1), progress=Progress(CollectorRegistry()),
        times=LeaseTimes(), leases=LEASES, statistics=Statistics(runtime.read_pool), skips=Skips(runtime.catalog),
        news=News(), grace_seconds=0.0,
    )  # fmt: skip
