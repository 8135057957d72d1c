"""What a loader is made of, and its settings."""

import gc
import os
from contextlib import AsyncExitStack

import msgspec
import uvloop

from projections.named import projections_named
from projections.runtime.catalog import Catalog
from projections.runtime.loading.courtesy import Courtesy, Heard
from projections.runtime.loading.loader import Loader
from shared_kernel.database.pool import OpeningPool, PoolSettings, build_pool
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings

_STATEMENT_SECONDS = 60.0
_POOL_SIZE = 2
_LOST_IS_REPEATED = {"synchronous_commit": "off"}
"""A commit that a power cut takes back takes the end of its claim back too: it is loaded again."""


class LoaderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a loader reads from `SHELFWISE_*`, as its projector set it."""

    write_database_url: str
    read_database_url: str
    projections_from: str
    parent_pid: int
    live_revisions: int | None = None
    heard_at: float = 0.0
    """How many live batches there were before it was started, and when that was."""
    log_level: str = "info"
    log_format: LogFormat = "auto"


async def run(settings: LoaderSettings) -> None:
    """Load until nothing waits."""
    async with AsyncExitStack() as stack:
        pools = [_pool(url) for url in (settings.write_database_url, settings.read_database_url)]
        log_pool, read_pool = [await stack.enter_async_context(pool) for pool in pools]
        catalog = Catalog(projections_named(settings.projections_from))
        courtesy = Courtesy(_heard(settings))
        loader = Loader(log_pool=log_pool, read_pool=read_pool, catalog=catalog, courtesy=courtesy)
        gc.freeze()  # so that little is looked through between two claims
        while await loader.load_one():  # bounded by what waits
            gc.collect()


def _heard(settings: LoaderSettings) -> Heard | None:
    if settings.live_revisions is None:
        return None
    return Heard(live_revisions=settings.live_revisions, at=settings.heard_at)


def _pool(url: str) -> OpeningPool:
    return build_pool(
        url,
        PoolSettings(
            application_name="shelfwise-loader",
            max_size=_POOL_SIZE,
            statement_timeout_seconds=_STATEMENT_SECONDS,
            command_timeout_seconds=_STATEMENT_SECONDS,
            planner=_LOST_IS_REPEATED,
        ),
    )


def main() -> None:
    """The process's entry."""
    settings = read_settings(LoaderSettings, os.environ)
    die_with_parent(parent_pid=settings.parent_pid)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    uvloop.run(run(settings))
