"""Workers that wait for a log, and how long they take once it is shown to them."""

import asyncio
import time
from pathlib import Path
from uuid import UUID

import asyncpg

from benchmarks.place import Place, Site
from benchmarks.processes import tail
from benchmarks.projecting.events import show
from benchmarks.projector import wait_until_projected

THREE_VIEWS_WORKER = "benchmarks.projecting.worker"
_LIMIT_SECONDS = 300.0
_LEASED = "SELECT count(*) FROM projection.lease WHERE owner IS NOT NULL AND expires_at > clock_timestamp()"
_SHARDS = 16


def per_second(place: Place, tenants: list[UUID], log: Path, *, events: int) -> float:
    """Show a hidden log, wait until it is projected; events a second."""
    started = time.perf_counter()
    asyncio.run(show(place, tenants))
    wait_until_projected(place, log, seconds=_LIMIT_SECONDS)
    return events / (time.perf_counter() - started)


def wait_for_leases(place: Place, log: Path) -> None:
    """Return when workers hold every shard."""
    asyncio.run(_leased(place, log))


async def _leased(place: Place, log: Path) -> None:
    connection = await asyncpg.connect(place.read_admin_url)
    try:
        deadline = time.monotonic() + 30
        while await connection.fetchval(_LEASED) < _SHARDS:
            assert time.monotonic() < deadline, f"no leases: {tail(log)}"
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


def projecting_log(site: Site) -> Path:
    """What the workers say."""
    return site.folder / "projecting.log"
