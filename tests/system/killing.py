"""Workers in processes of their own, to be killed or frozen, and stores whose logs go on growing meanwhile."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import msgspec

from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, PERSUASION, OrderLog, line
from tests.builders.projecting import projector_settings
from tests.eventually import eventually
from tests.servers import Servers

_END_TIMEOUT_SECONDS = 30.0


@contextmanager
def worker(servers: Servers, *arguments: str, **changes: object) -> Iterator[subprocess.Popen[bytes]]:
    """A projector in a process of its own: the faulty one with arguments, a healthy one without."""
    settings = projector_settings(servers, parent_pid=os.getpid(), **changes)
    given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
    environment = {f"SHELFWISE_{name.upper()}": f"{value}" for name, value in given.items()}
    module = "tests.system.faulty_worker" if arguments else "projections.worker"
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(_END_TIMEOUT_SECONDS)


async def death_of(process: subprocess.Popen[bytes], *, within_seconds: float = 30.0) -> int:
    """How the process ended, once it has."""

    async def look() -> int | None:
        return process.poll()

    code = await eventually(look, lambda seen: seen is not None, within_seconds=within_seconds)
    assert code is not None
    return code


class GrowingStores:
    """Stores with a log each, to which orders are added, fulfilled and cancelled."""

    def __init__(self, servers: Servers, tenants: Sequence[UUID], rng: random.Random) -> None:
        self._servers = servers
        self._logs = [OrderLog(tenant) for tenant in tenants]
        self._rng = rng

    async def grow(self, events: int) -> None:
        """Add to each store's log, in one transaction a store."""
        for log in self._logs:
            written = len(log.events)
            if not written:  # in a channel of its own, where nothing is cancelled: no view of a store is ever empty
                log.place(f"first of {log.tenant_id.hex[:6]}", [line(EMMA)], channel="mail")
            while len(log.events) < written + events:
                order = log.place(
                    f"{len(log.events)} of {log.tenant_id.hex[:6]}",
                    [line(EMMA, self._rng.randint(1, 3)), line(PERSUASION)],
                    channel=self._rng.choice(("web", "pos")),
                )
                if self._rng.random() < 0.5:
                    self._rng.choice((log.fulfil, log.cancel))(order)
            await write_log(self._servers.write_admin_url, log.events[written:])

    @asynccontextmanager
    async def growing(self, events: int) -> AsyncIterator[None]:
        """Grow all the time, for as long as the block."""
        is_over = asyncio.Event()

        async def keep_growing() -> None:
            # Not cancelled: an event that is half written would be a gap in its log.
            while not is_over.is_set():
                await self.grow(events)
                await asyncio.sleep(0.02)  # leaves the other processes some of the machine

        task = asyncio.create_task(keep_growing())
        try:
            yield
        finally:
            is_over.set()
            await task
