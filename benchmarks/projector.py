"""ShelfWise's own projector, run beside a benchmark, and waiting until it has projected everything."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from benchmarks.place import Place
from benchmarks.processes import running, tail

_BEHIND = """
SELECT coalesce(sum(h.position), 0)::bigint FROM log.tenant_head h
"""
_REACHED = """
SELECT coalesce(sum(reached), 0)::bigint FROM (
    SELECT c.tenant_id, min(c.position) AS reached
    FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
    GROUP BY c.tenant_id) each
"""
_POLL_SECONDS = 0.02


class ProjectorBehind(Exception):
    """The projector did not reach the log's heads in time."""


def projector_log(folder: Path) -> Path:
    """What the projector says."""
    return folder / "projector.log"


@contextmanager
def projector(place: Place, folder: Path, *, core: int | None = None, **variables: str) -> Iterator[int]:
    """Have the projector run, on any core unless told, with further variables; yields its process id."""
    log = projector_log(folder)
    program = [sys.executable, "-m", "projections.worker"]
    with running(program, core=core, variables=place.projector() | variables, log=log) as pid:
        yield pid


def wait_until_projected(place: Place, log: Path, *, seconds: float) -> None:
    """Return once every projection of every store has reached its head.

    Raises:
        ProjectorBehind: not within `seconds`.
    """
    try:
        asyncio.run(_wait(place, seconds))
    except TimeoutError as error:
        raise ProjectorBehind(f"{error}: {tail(log)}") from error


async def lag(place: Place) -> int:
    """Events that the slowest projection of each store has not seen, over all stores."""
    async with _looking(place) as look:
        return await look()


@asynccontextmanager
async def _looking(place: Place) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Look as often as you like: connecting takes more of the machine than looking."""
    write, read = await asyncpg.connect(place.write_admin_url), await asyncpg.connect(place.read_admin_url)

    async def look() -> int:
        return int(await write.fetchval(_BEHIND)) - int(await read.fetchval(_REACHED))

    try:
        yield look
    finally:
        await write.close()
        await read.close()


async def _wait(place: Place, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with _looking(place) as look:
        while behind := await look():
            if loop.time() > deadline:
                raise TimeoutError(f"{behind} events behind after {seconds:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)
