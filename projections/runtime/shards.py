"""Which shards this worker drains: renews what it has, takes what is free, gives back what is more than its share."""

import asyncio
import math
from uuid import UUID

import structlog

from projections.runtime import leases
from projections.runtime.batch import Lease
from projections.runtime.drain import DATABASE_FAILURES, DrainParts, ShardDrain
from projections.runtime.errors import LeaseLostError
from shared_kernel.log.partitions import SHARDS

_HEARTBEAT_SECONDS = 1.0
_STOP_TIMEOUT_SECONDS = 6.0
"""Above a statement's own bound: a batch that is under way ends or fails by then."""

log = structlog.get_logger()


class ShardKeeper:
    """Runs a drain for every shard this worker holds."""

    def __init__(self, parts: DrainParts, worker_id: UUID) -> None:
        self._parts = parts
        self._worker_id = worker_id
        self._drains: dict[int, tuple[ShardDrain, asyncio.Task[None]]] = {}
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
                try:
                    await self._beat()
                except DATABASE_FAILURES as error:
                    log.warning("heartbeat_failed", error=type(error).__name__)
                await asyncio.sleep(_HEARTBEAT_SECONDS)
        finally:
            await asyncio.shield(self._leave())

    async def _beat(self) -> None:
        async with self._parts.read_pool.acquire() as connection:
            live = await leases.heartbeat(connection, self._worker_id)
            owned = await leases.renew(connection, self._worker_id)
            share = math.ceil(SHARDS / max(1, live))
            await self._stop(set(self._drains) - set(owned))
            surplus = sorted(owned)[share:]
            if surplus:
                await self._stop(set(surplus))
                await leases.release(connection, self._worker_id, surplus)
                owned = {shard: epoch for shard, epoch in owned.items() if shard not in surplus}
            elif len(owned) < share:
                owned |= await leases.acquire(connection, self._worker_id, at_most=share - len(owned))
        await self._start(owned)
        self._beaten_at = asyncio.get_running_loop().time()

    async def _start(self, owned: dict[int, int]) -> None:
        for shard, epoch in owned.items():
            held = self._drains.get(shard)
            if held is not None and held[0].lease.epoch == epoch and not held[1].done():
                continue
            await self._stop({shard})
            drain = ShardDrain(self._parts, Lease(shard=shard, epoch=epoch))
            self._drains[shard] = (drain, asyncio.create_task(self._run(drain), name=f"drain-{shard}"))

    async def _run(self, drain: ShardDrain) -> None:
        try:
            await drain.run()
        except LeaseLostError:
            log.warning("lease_lost", shard=drain.lease.shard, epoch=drain.lease.epoch)
        except Exception:
            log.exception("drain_ended", shard=drain.lease.shard)
            raise

    async def _stop(self, shards: set[int]) -> None:
        stopped = [self._drains.pop(shard)[1] for shard in shards if shard in self._drains]
        for task in stopped:
            task.cancel()
        if stopped:
            await asyncio.wait(stopped, timeout=_STOP_TIMEOUT_SECONDS)
        for shard in shards:
            self._parts.progress.note_lost(shard)

    async def _leave(self) -> None:
        held = set(self._drains)
        await self._stop(held)
        try:
            async with self._parts.read_pool.acquire() as connection:
                await leases.release(connection, self._worker_id, sorted(held))
                await leases.leave(connection, self._worker_id)
        except DATABASE_FAILURES as error:
            log.warning("leases_not_returned", error=type(error).__name__)
