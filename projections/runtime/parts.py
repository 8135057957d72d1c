"""What every shard's work shares."""

import asyncio

import msgspec

from projections.runtime.catalog import Catalog
from projections.runtime.fault_points import Reach
from projections.runtime.leases import LeaseTimes
from projections.runtime.news import News
from projections.runtime.progress import Progress
from projections.runtime.skipping import Skips
from projections.runtime.statistics import Statistics
from shared_kernel.database.pool import Pool
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.subscription.leases import LeaseTable


class DrainParts(msgspec.Struct, frozen=True, kw_only=True):
    """The worker's singletons.

    Attributes:
        rebuild_turns: how many shards may be rebuilt at once: each takes connections and the one thread.
        news: that operators have changed something that the drains have loaded.
        grace_seconds: how long the rows of a build that nobody reads any more are kept.
    """

    log_pool: Pool
    read_pool: Pool
    redis: MultiplexedRedis
    catalog: Catalog
    reach: Reach
    rebuild_turns: asyncio.Semaphore
    progress: Progress
    times: LeaseTimes
    leases: LeaseTable
    statistics: Statistics
    skips: Skips
    news: News
    grace_seconds: float
