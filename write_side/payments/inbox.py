"""What the provider tells of its own accord: kept once, before it is thanked for; then the provider is asked.

A callback is a reason to look, never a fact: what happened is learned on the one path on which everything is learned
from the provider, so callbacks that are late, doubled, out of order or lost change nothing but the time.
"""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

import structlog

from shared_kernel.clock import Clock, system_clock
from shared_kernel.database.pool import Pool
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import CommandRequest, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.payments import repository
from write_side.payments.commands import CallbackReceived
from write_side.payments.errors import CallbackNotTrusted
from write_side.payments.gateway import CallbackReader, Malformed, Notice

ACTOR = "payment-provider"
_TENANT_OF = "SELECT tenant_id AS id, slug, currency, timezone FROM access.tenant_of($1)"

log = structlog.get_logger()


class Inbox:
    """Where callbacks are received."""

    def __init__(
        self, *, pool: Pool, execution: CommandExecution, reader: CallbackReader, clock: Clock = system_clock
    ) -> None:
        self._pool = pool
        self._execution = execution
        self._reader = reader
        self._clock = clock

    async def receive(self, body: bytes, headers: Mapping[str, str]) -> CallbackReceived:
        """Keep a callback, or what could not be read of it; once it is kept, the sender need not try again.

        Raises:
            CallbackNotTrusted: nobody vouches for it.
        """
        read = self._reader.read(body, headers, now=self._clock())
        if read is None:
            raise CallbackNotTrusted("the signature is missing, wrong or too old")
        tenant = await self._tenant(read.tenant_id)
        if tenant is None:
            # Signed by the right secret, and about nobody here: another installation's, which we cannot help.
            digest = read.digest if isinstance(read, Malformed) else None
            log.warning("callback_of_no_store", digest=digest)
            return CallbackReceived(received=False)
        request = CommandRequest(tenant=tenant, operation="receive_callback", actor=ACTOR)
        answer = await self._execution.execute(request, partial(_keep, read))
        return answer.read(CallbackReceived)

    async def _tenant(self, tenant_id: UUID | None) -> Tenant | None:
        if tenant_id is None:
            return None
        async with self._pool.acquire(timeout=1.5) as connection:
            row = await connection.fetchrow(_TENANT_OF, tenant_id)
        return Tenant(**dict(row)) if row else None


async def _keep(read: Notice | Malformed, work: UnitOfWork) -> Outcome:
    if isinstance(read, Notice):
        await repository.receive(work.connection, read, now=work.now)
    else:
        await repository.quarantine(
            work.connection,
            work.tenant.id,
            read,
            quarantine_id=work.new_id(),
            operation_id=None,
            source="callback",
            now=work.now,
        )
    return Outcome(data=CallbackReceived(received=True), version=None)
