"""`shelfwise sagas`: orders that are paid first, and those that ask for attention."""

from datetime import datetime
from functools import partial
from uuid import UUID

import click
import msgspec

from operations.command_line.invocation import Invocation, command, table
from operations.command_line.tenants import ACTOR
from operations.errors import CommandFailed
from operations.in_house import InHouse, in_house
from operations.servers.installation import Installation
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import Decide
from write_side.command_execution.requests import CommandRequest
from write_side.order_saga.operating import SagaDecided, resolve_saga, retry_saga

_STATES = ("running", "needs_attention", "completed", "compensated", "resolved")
_MAX_LISTED = 500
_LIST = """
SELECT t.slug AS tenant, s.order_id, o.number, s.state, s.step, s.attempts, s.failure, s.started_at
FROM write.order_saga s JOIN write.sales_order o USING (tenant_id, order_id) JOIN write.tenant t USING (tenant_id)
WHERE ($1::text IS NULL OR s.state = $1) AND ($2::text IS NULL OR t.slug = $2)
ORDER BY s.started_at DESC, s.order_id LIMIT $3
"""
_STEPS = "SELECT number, step, note, taken_at FROM write.order_saga_step WHERE order_id = $1 ORDER BY number"
_OPERATIONS = """
SELECT o.operation_id, o.kind, o.amount_minor, o.status, o.attempts, o.reason
FROM write.payment_operation o JOIN write.order_saga s USING (tenant_id, payment_id)
WHERE s.order_id = $1 ORDER BY o.created_at, o.operation_id
"""
_STORE_OF = """
SELECT t.tenant_id AS id, t.slug, t.currency, t.timezone FROM write.order_saga s JOIN write.tenant t USING (tenant_id)
WHERE s.order_id = $1
"""


class ListedSaga(msgspec.Struct, frozen=True, kw_only=True):
    """A saga as a list shows it."""

    tenant: str
    order_id: UUID
    number: str
    state: str
    step: str
    attempts: int
    failure: str | None
    started_at: datetime


class ListedSagas(msgspec.Struct, frozen=True, kw_only=True):
    """Sagas, the latest first."""

    sagas: tuple[ListedSaga, ...]


class SagaStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step that was taken."""

    number: int
    step: str
    note: str | None
    taken_at: datetime


class SagaOperation(msgspec.Struct, frozen=True, kw_only=True):
    """Something the provider was, or is, to do."""

    operation_id: UUID
    kind: str
    amount_minor: int
    status: str
    attempts: int
    reason: str | None


class ShownSaga(msgspec.Struct, frozen=True, kw_only=True):
    """A saga's journal, and what the provider said."""

    order_id: UUID
    steps: tuple[SagaStep, ...]
    operations: tuple[SagaOperation, ...]


@click.group()
def sagas() -> None:
    """Look at orders that are paid first, and help those that need attention."""


@sagas.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--tenant", help="Only this store's, by its short name.")
@command
def list_sagas(invocation: Invocation, *, state: str | None, tenant: str | None) -> None:
    """List sagas, the latest first."""

    async def work(installation: Installation) -> tuple[ListedSaga, ...]:
        async with in_house(installation) as house:
            rows = await house.operator_pool.fetch(_LIST, state, tenant, _MAX_LISTED)
            return tuple(ListedSaga(**dict(row)) for row in rows)

    found = invocation.on_servers(work)
    rows = [(one.tenant, one.number, one.order_id, one.state, one.step, one.failure) for one in found]
    columns = ("store", "number", "order", "state", "step", "why")
    invocation.answer(ListedSagas(sagas=found), table(*columns, rows=rows))


@sagas.command("show")
@click.argument("order", type=click.UUID)
@command
def show_saga(invocation: Invocation, *, order: UUID) -> None:
    """Show every step of an order's saga, and what the provider was asked."""

    async def work(installation: Installation) -> ShownSaga:
        async with in_house(installation) as house:
            await _store_of(house, order)
            steps = await house.operator_pool.fetch(_STEPS, order)
            operations = await house.operator_pool.fetch(_OPERATIONS, order)
            return ShownSaga(
                order_id=order,
                steps=tuple(SagaStep(**dict(row)) for row in steps),
                operations=tuple(SagaOperation(**dict(row)) for row in operations),
            )

    shown = invocation.on_servers(work)
    steps = [(one.number, one.step, one.taken_at, one.note) for one in shown.steps]
    asked = [(one.kind, one.amount_minor, one.status, one.attempts, one.reason) for one in shown.operations]
    invocation.answer(
        shown,
        table("step", "what", "when", "why", rows=steps),
        table("asked for", "amount", "status", "attempts", "why", rows=asked),
    )


@sagas.command("retry")
@click.argument("order", type=click.UUID)
@click.option("--why", required=True, help="For the journal.")
@command
def retry(invocation: Invocation, *, order: UUID, why: str) -> None:
    """Have a saga that needs attention tried again."""
    _decide(invocation, order, partial(retry_saga, order, why))


@sagas.command("resolve")
@click.argument("order", type=click.UUID)
@click.option("--why", required=True, help="For the journal: what was settled, and with whom.")
@command
def resolve(invocation: Invocation, *, order: UUID, why: str) -> None:
    """Close a saga that was settled by hand; an order that was being undone is cancelled."""
    _decide(invocation, order, partial(resolve_saga, order, why))


def _decide(invocation: Invocation, order: UUID, decide: Decide) -> None:
    async def work(installation: Installation) -> SagaDecided:
        async with in_house(installation) as house:
            store = await _store_of(house, order)
            request = CommandRequest(tenant=store, operation="operate_saga", actor=ACTOR)
            return (await house.execution.execute(request, decide)).read(SagaDecided)

    decided = invocation.on_servers(work)
    invocation.answer(decided, f"the saga of {decided.order_id} is {decided.state}")


async def _store_of(house: InHouse, order: UUID) -> Tenant:
    row = await house.operator_pool.fetchrow(_STORE_OF, order)
    if row is None:
        raise CommandFailed(f"there is no saga of an order {order}: `shelfwise sagas list` shows those there are")
    return Tenant(**dict(row))
