"""Which shards this worker drains: renews what it has, takes what is free, gives back what is more than its share."""

import asyncio
import math
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from shared_kernel.database.pool import Pool
from shared_kernel.log.partitions import SHARDS
from shared_kernel.subscription.failures import DATABASE_FAILURES, LeaseLostError
from shared_kernel.subscription.leases import Lease, LeaseTable, LeaseTimes
from shared_kernel.subscription.stopping import heed_cancellation

_STOP_TIMEOUT_SECONDS = 1.0
"""A batch under way should end by then. If it does not, its epoch fences it out, and other leases must be renewed."""
_CONNECTION_TIMEOUT_SECONDS = 2.0

log = structlog.get_logger()


class Drain(Protocol):
    """What works on one shard for as long as its lease lasts."""

    @property
    def lease(self) -> Lease:
        """Under which it works."""
        ...

    def wake(self) -> None:
        """There is news."""
        ...

    async def run(self) -> None:
        """Work until cancelled; raises LeaseLostError when another worker has the shard."""
        ...


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of worker does with a shard, and where it keeps its leases.

    Attributes:
        pool: of the database that holds the leases.
        open_drain: begins work under a lease.
        note_lost: hears that a shard is no longer this worker's.
    """

    pool: Pool
    leases: LeaseTable
    times: LeaseTimes
    open_drain: Callable[[Lease], Drain]
    note_lost: Callable[[int], None]


class ShardKeeper:
    """Runs a drain for every shard this worker holds."""

    def __init__(self, subscription: Subscription, worker_id: UUID) -> None:
        self._subscription = subscription
        self._leases = subscription.leases
        self._worker_id = worker_id
        self._drains: dict[int, tuple[Drain, asyncio.Task[None]]] = {}
        self._beaten_at: float | None = None

    @property
    def held(self) -> frozenset[int]:
        """The shards drained here."""
        return frozenset(self._drains)

    @property
    def beaten_at(self) -> float | None:
        """The loop's time of the last heartbeat that reached the database."""
        return self._beaten_at

    def wake(self, shard: int) -> bool:
        """Wake the shard's drain; False where it is another worker's."""
        held = self._drains.get(shard)
        if held is not None:
            held[0].wake()
        return held is not None

    async def run(self) -> None:
        """Keep leases until cancelled; then stop the drains and give everything back."""
        try:
            while True:
                heed_cancellation()
                try:
                    await self._beat()
                except DATABASE_FAILURES as error:
                    log.warning("heartbeat_failed", error=type(error).__name__)
                await asyncio.sleep(self._subscription.times.beat_seconds)
        finally:
            await asyncio.shield(self._leave())

    async def _beat(self) -> None:
        times = self._subscription.times
        async with self._subscription.pool.acquire(timeout=_CONNECTION_TIMEOUT_SECONDS) as connection:
            live = await self._leases.heartbeat(connection, self._worker_id, times)
            owned = await self._leases.renew(connection, self._worker_id, times)
            share = math.ceil(SHARDS / max(1, live))
            await self._stop(set(self._drains) - set(owned))
            surplus = sorted(owned)[share:]
            if surplus:
                await self._stop(set(surplus))
                await self._leases.release(connection, self._worker_id, surplus)
                owned = {shard: lease for shard, lease in owned.items() if shard not in surplus}
            elif len(owned) < share:
                owned |= await self._leases.acquire(connection, self._worker_id, times, at_most=share - len(owned))
        await self._start(owned)
        self._beaten_at = asyncio.get_running_loop().time()

    async def _start(self, owned: dict[int, Lease]) -> None:
        for shard, lease in owned.items():
            held = self._drains.get(shard)
            if held is not None and held[0].lease.epoch == lease.epoch and not held[1].done():
                continue
            await self._stop({shard})
            drain = self._subscription.open_drain(lease)
            self._drains[shard] = (drain, asyncio.create_task(self._run(drain), name=f"drain-{shard}"))

    async def _run(self, drain: Drain) -> None:
        try:
            await drain.run()
        except LeaseLostError:
            log.warning("lease_lost", shard=drain.lease.shard, epoch=drain.lease.epoch)

    async def _stop(self, shards: set[int]) -> None:
        stopped = [self._drains.pop(shard)[1] for shard in shards if shard in self._drains]
        for task in stopped:
            task.cancel()
        if stopped:
            await asyncio.wait(stopped, timeout=_STOP_TIMEOUT_SECONDS)
        for shard in shards:
            self._subscription.note_lost(shard)

    async def _leave(self) -> None:
        held = set(self._drains)
        await self._stop(held)
        try:
            async with self._subscription.pool.acquire(timeout=_CONNECTION_TIMEOUT_SECONDS) as connection:
                await self._leases.release(connection, self._worker_id, sorted(held))
                await self._leases.leave(connection, self._worker_id)
        except DATABASE_FAILURES as error:
            log.warning("leases_not_returned", error=type(error).__name__)
