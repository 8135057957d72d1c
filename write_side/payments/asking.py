"""The one path on which a provider is asked: for the saga, for commands over HTTP, and to resolve what is unknown.

An operation is leased (committed), the provider is asked outside any transaction, and what it said is kept in a second
one, by the holder of the lease alone. From the second time on the provider is first asked what came of the first.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
import structlog

from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import CommandRequest
from write_side.payments import repository
from write_side.payments.fault_points import Reach, carry_on, operation_point
from write_side.payments.gateway import Absent, Errand, PaymentGateway, Result
from write_side.payments.model import Kind
from write_side.payments.settling import settle

_CLAIM = """
SELECT tenant_id, slug, currency, timezone, operation_id, kind, attempts, lease_epoch
FROM write.claim_payment_operations($1, $2)
"""
_AT_A_TIME = 16
"""As many foreign calls at once as the gateway has connections for."""
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0

log = structlog.get_logger()


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that this process may ask about, until its lease ends."""

    tenant: Tenant
    operation_id: UUID
    kind: Kind
    attempts: int
    lease_epoch: int


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What asking needs.

    Attributes:
        lease_seconds: longer than the gateway's slowest look and errand together.
        jitter: a pause somewhere below its argument, in seconds.
    """

    pool: Pool
    execution: CommandExecution
    gateway: PaymentGateway
    lease_seconds: float = 45.0
    longest_pause_seconds: float = _LONGEST_PAUSE_SECONDS
    jitter: Callable[[float], float] = lambda longest: random.uniform(0, longest)  # noqa: S311 - spreads load, guards nothing
    reach: Reach = carry_on


async def ask_what_is_due(asking: Asking) -> int:
    """Ask about a handful of operations, of whichever stores; how many there were."""
    async with asking.pool.acquire(timeout=1.5) as connection:
        rows = await connection.fetch(_CLAIM, _AT_A_TIME, asking.lease_seconds)
    claimed = [
        Claimed(
            tenant=Tenant(id=row["tenant_id"], slug=row["slug"], currency=row["currency"], timezone=row["timezone"]),
            operation_id=row["operation_id"],
            kind=row["kind"],
            attempts=row["attempts"],
            lease_epoch=row["lease_epoch"],
        )
        for row in rows
    ]
    # One that fails cancels none of the others: what a provider is being asked would be unknown for a whole lease.
    found = await asyncio.gather(*(_ask(asking, one) for one in claimed), return_exceptions=True)
    failures = [one for one in found if isinstance(one, Exception)]
    if failures:
        message = "some operations could not be asked about"
        raise ExceptionGroup(message, failures)
    return len(claimed)


async def _ask(asking: Asking, claimed: Claimed) -> None:
    asking.reach(operation_point(claimed.kind, "claimed"))
    async with transaction(asking.pool, tenant_id=claimed.tenant.id) as connection:
        errand = await repository.errand(connection, claimed.tenant.id, claimed.operation_id)
    if errand is None or errand.lease_epoch != claimed.lease_epoch:
        return
    result = await _result(asking.gateway, errand)
    asking.reach(operation_point(claimed.kind, "called"))
    longest = min(asking.longest_pause_seconds, _FIRST_PAUSE_SECONDS * 2.0 ** min(errand.attempts, 10))
    request = CommandRequest(tenant=claimed.tenant, operation=f"settle_{errand.kind}", actor=errand.requested_by)
    decide = partial(settle, errand, result, retry_after=timedelta(seconds=asking.jitter(longest)), reach=asking.reach)
    await asking.execution.execute(request, decide)
    asking.reach(operation_point(claimed.kind, "settled"))
    log.info(
        "provider_asked",
        tenant=str(claimed.tenant.id),
        operation=str(errand.operation_id),
        kind=errand.kind,
        attempts=errand.attempts,
        result=type(result).__name__,
    )


async def _result(gateway: PaymentGateway, errand: Errand) -> Result:
    """What came of it: looked up where it was asked for before, and else, or where nothing is found, asked for."""
    if errand.attempts > 1:
        found = await gateway.look_up(errand)
        if not isinstance(found, Absent):
            return found
    return await gateway.perform(errand)
