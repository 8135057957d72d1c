"""An archiver that is killed at a step: `python -m tests.system.dying_archiver`, a JSON of what to do on stdin.

One process for all steps: it forks for each, so that only the first pays for starting.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime

import asyncpg
import msgspec

from operations.archiving.archiving import Archived, Archiver
from operations.archiving.planning import plan
from operations.archiving.steps import ArchiveStep, Reach
from projections.registry import PROJECTIONS
from shared_kernel.log.archive.storage import open_storage
from shared_kernel.monitor.looking import Version

VERSIONS = tuple(Version(name=one.view.name, version=one.view.version) for one in PROJECTIONS)


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What to archive, and where to die."""

    write_url: str
    read_url: str
    archive_url: str
    before: datetime
    events_per_file: int
    deaths: tuple[ArchiveStep, ...] = ()


async def archive(errand: Errand, reach: Reach) -> Archived:
    """All stores."""
    write, read = await asyncpg.connect(errand.write_url), await asyncpg.connect(errand.read_url)
    try:
        plans = await plan(write, read, before=errand.before, tenant_id=None, versions=VERSIONS)
        archiver = Archiver(
            write=write, storage=open_storage(errand.archive_url), events_per_file=errand.events_per_file, reach=reach
        )
        done = Archived()
        for one in plans:
            done = done.and_also(await archiver.archive(one))
        return done
    finally:
        await write.close()
        await read.close()


def main() -> None:
    """Die at each step in turn; print how each ended."""
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    for step in errand.deaths:
        child = os.fork()
        if child == 0:

            def die(reached: ArchiveStep, at: ArchiveStep = step) -> None:
                if reached is at:
                    os.kill(os.getpid(), signal.SIGKILL)

            asyncio.run(archive(errand, die))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{step} {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main()
