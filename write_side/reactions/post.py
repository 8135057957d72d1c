"""Where a duty stands: one shard, held under one lease, with the transactions that lease allows."""

import asyncio
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from shared_kernel.database.pool import Connection
from shared_kernel.subscription.leases import Lease
from write_side.reactions.fault_points import Reach
from write_side.reactions.working import Work, Workplace, crossing, working


class Post:
    """A duty's hold on one shard, as long as its lease lasts."""

    def __init__(self, place: Workplace, lease: Lease, duty: str) -> None:
        self._place = place
        self._lease = lease
        self._duty = duty
        self._woken = asyncio.Event()

    @property
    def shard(self) -> int:
        """Whose tenants this duty serves here."""
        return self._lease.shard

    @property
    def reach(self) -> Reach:
        """What happens at fault points."""
        return self._place.reach

    def working(self, tenant_id: UUID) -> AbstractAsyncContextManager[Work]:
        """A fenced transaction in the name of a store; it commits when the block ends well."""
        return working(self._place, self._lease, tenant_id, actor=self._duty)

    def crossing(self) -> AbstractAsyncContextManager[Connection]:
        """A fenced transaction over the tables that workers may cross; it commits when the block ends well."""
        return crossing(self._place, self._lease)

    def wake(self) -> None:
        """Something was committed in this shard."""
        self._woken.set()

    async def news(self, *, within_seconds: float) -> None:
        """Wait until something was committed in this shard, or for as long; then look at what is due."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()
