"""Transactions of a worker: fenced by its lease, acting for one store, with commands that commit together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.clock import Clock, system_clock
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.doorbell import Doorbell
from shared_kernel.events.envelope import Event, Metadata
from shared_kernel.identifiers import new_id
from shared_kernel.subscription.leases import Lease, LeaseTable
from shared_kernel.tenancy import Tenant
from write_side.command_execution.appending import append
from write_side.command_execution.execution import Decide
from write_side.command_execution.recording import PendingEvent
from write_side.command_execution.requests import Answer, CommandRequest, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.reactions.fault_points import FaultPoint, Reach, carry_on

LEASES = LeaseTable(schema="reaction", worker="shelfwise-reactions")

_TENANT = "SELECT slug, currency, timezone FROM write.tenant WHERE tenant_id = $1"
_NOTHING = Answer(status=200, data=b"", position=None)


class Workplace(msgspec.Struct, frozen=True, kw_only=True):
    """What every transaction of a worker needs."""

    pool: Pool
    doorbell: Doorbell
    clock: Clock = system_clock
    make_id: Callable[[], UUID] = new_id
    reach: Reach = carry_on


class Work:
    """One transaction in the name of a store, under a lease; what its commands record is appended at its end."""

    def __init__(self, *, connection: Connection, tenant: Tenant, actor: str, place: Workplace) -> None:
        self.connection = connection
        self.tenant = tenant
        self.now: datetime = place.clock()
        self.new_id = place.make_id
        self._actor = actor
        self._events: list[PendingEvent] = []

    async def run(self, operation: str, decide: Decide, *, because_of: Metadata | None = None) -> Outcome:
        """Decide a command in this very transaction; one that raises leaves no trace of itself.

        Args:
            operation: the command's name.
            decide: a handler with its command.
            because_of: whose request and trace go on.
        """
        request = self._request(operation, because_of)
        unit = UnitOfWork(connection=self.connection, request=request, now=self.now, make_id=self.new_id)
        await self.connection.execute("SAVEPOINT command")
        try:
            outcome = await decide(unit)
        except Exception:
            await self.connection.execute("ROLLBACK TO SAVEPOINT command")
            raise
        await self.connection.execute("RELEASE SAVEPOINT command")
        self._events += unit.events
        return outcome

    def record(self, event: Event, *, stream_id: UUID, stream_version: int) -> None:
        """Put an event behind those recorded so far, where no command stands for it."""
        request = self._request("record", None)
        unit = UnitOfWork(connection=self.connection, request=request, now=self.now, make_id=self.new_id)
        unit.record(event, stream_id=stream_id, stream_version=stream_version)
        self._events += unit.events

    async def append(self) -> int | None:
        """What was recorded goes into the log; its new head, or None where nothing was. Once, and last."""
        if not self._events:
            return None
        request = self._request("append", None)
        return await append(self.connection, request, events=self._events, answer=_NOTHING, now=self.now)

    def _request(self, operation: str, because_of: Metadata | None) -> CommandRequest:
        return CommandRequest(
            tenant=self.tenant,
            operation=operation,
            actor=self._actor,
            request_id=None if because_of is None else because_of.request_id,
            traceparent=None if because_of is None else because_of.traceparent,
        )


@asynccontextmanager
async def working(place: Workplace, lease: Lease, tenant_id: UUID, *, actor: str) -> AsyncIterator[Work]:
    """A transaction that commits when the block ends well; then rings.

    Args:
        actor: who the events recorded say did it.

    Raises:
        LeaseLostError: another worker has the shard; nothing was changed.
    """
    async with transaction(place.pool, tenant_id=tenant_id) as connection:
        await LEASES.fence(connection, lease)
        tenant = await _tenant(connection, tenant_id)
        work = Work(connection=connection, tenant=tenant, actor=actor, place=place)
        yield work
        head = await work.append()
        place.reach(FaultPoint.APPEND)
        await connection.execute("COMMIT")
    place.reach(FaultPoint.COMMIT)
    if head is not None:
        place.doorbell.ring(tenant_id, head)


@asynccontextmanager
async def crossing(place: Workplace, lease: Lease) -> AsyncIterator[Connection]:
    """A transaction over all stores, of tables that workers may cross; commits when the block ends well.

    Raises:
        LeaseLostError: another worker has the shard; nothing was changed.
    """
    async with transaction(place.pool, tenant_id=None) as connection:
        await LEASES.fence(connection, lease)
        yield connection
        await connection.execute("COMMIT")


async def _tenant(connection: Connection, tenant_id: UUID) -> Tenant:
    row = await connection.fetchrow(_TENANT, tenant_id)
    assert row is not None, "a store is never deleted"
    return Tenant(id=tenant_id, slug=row["slug"], currency=row["currency"], timezone=row["timezone"])
