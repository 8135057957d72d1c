"""Keeps sagas moving and the provider being asked: two loops, woken by the log's reaction, never idle past a moment.

Any number of processes may run them: what is due is leased, and whoever dies leaves it to the next.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import asyncpg
import msgspec
import structlog

from shared_kernel.errors import ShelfWiseError
from shared_kernel.tenancy import Tenant
from write_side.command_execution.requests import CommandRequest
from write_side.order_saga.advancing import ACTOR, Advanced, advance
from write_side.order_saga.fault_points import move_point
from write_side.order_saga.model import Move
from write_side.order_saga.times import SagaTimes
from write_side.payments.asking import Asking, ask_what_is_due

_CLAIM = "SELECT tenant_id, slug, currency, timezone, order_id, lease_epoch FROM write.claim_order_sagas($1, $2)"
_AT_A_TIME = 16
_MAX_MOVES = 20
"""In one turn with a saga; it makes three or four before it has to wait."""
_AWAY = (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ShelfWiseError)

log = structlog.get_logger()


class _Claimed(msgspec.Struct, frozen=True, kw_only=True):
    tenant: Tenant
    order_id: UUID
    lease_epoch: int


class SagaRuntime:
    """The two loops, on the parts of asking."""

    def __init__(self, asking: Asking, times: SagaTimes, *, asks: bool = True) -> None:
        """Run on the parts of asking; where there is no provider, `asks` is false and nobody is asked."""
        self._asking = asking
        self._asks = asks
        self._times = times
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something may be due now."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(self.advance_what_is_due, "saga"), name="sagas")
            if self._asks:
                group.create_task(self._keep(partial(ask_what_is_due, self._asking), "payment"), name="payments")

    async def advance_what_is_due(self) -> int:
        """Move a handful of sagas, of whichever stores, as far as each gets; how many there were."""
        async with self._asking.pool.acquire(timeout=1.5) as connection:
            rows = await connection.fetch(_CLAIM, _AT_A_TIME, self._times.lease_seconds)
        async with asyncio.TaskGroup() as group:
            for row in rows:
                tenant = Tenant(
                    id=row["tenant_id"], slug=row["slug"], currency=row["currency"], timezone=row["timezone"]
                )
                claimed = _Claimed(tenant=tenant, order_id=row["order_id"], lease_epoch=row["lease_epoch"])
                group.create_task(self._advance(claimed))
        return len(rows)

    async def _advance(self, claimed: _Claimed) -> None:
        poll_after = timedelta(seconds=self._times.poll_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
        decide = partial(
            advance, claimed.order_id, claimed.lease_epoch, poll_after=poll_after, reach=self._asking.reach
        )
        for _ in range(_MAX_MOVES):
            request = CommandRequest(tenant=claimed.tenant, operation="advance_order_saga", actor=ACTOR)
            try:
                done = (await self._asking.execution.execute(request, decide)).read(Advanced)
            except _AWAY as error:
                # Its lease runs out, and somebody tries again; attempts are counted when it is claimed.
                log.warning("saga_not_advanced", order=str(claimed.order_id), reason=type(error).__name__)
                return
            if done.move is None:
                return
            self._asking.reach(move_point(done.move, "committed"))
            if done.move is Move.HALT:
                log.error("order_needs_attention", tenant=str(claimed.tenant.id), order=str(claimed.order_id))
            self.wake()
            if done.move in {Move.WAIT, Move.COMPLETE, Move.FINISH_UNDO, Move.HALT}:
                return

    async def _keep(self, work_off: Callable[[], Awaitable[int]], name: str) -> None:
        # Unbounded in turns: a worker has nothing better to do. Each turn is bounded, and so is the pause.
        while True:
            try:
                count = await work_off()
            except* _AWAY as group:
                log.warning("saga_turn_failed", loop=name, reason=type(group.exceptions[0]).__name__)
                count = 0
            if not count:
                await self._pause()

    async def _pause(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(self._times.idle_seconds):
                await self._news.wait()
        except TimeoutError:
            pass
