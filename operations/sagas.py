"""Orders that are paid first, as whoever operates the platform looks at them and helps them."""

from datetime import datetime
from uuid import UUID

import msgspec

from operations.in_house import InHouse
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import Decide
from write_side.command_execution.requests import CommandRequest
from write_side.order_saga.errors import SagaNotFound
from write_side.order_saga.operating import SagaDecided

STATES = ("running", "needs_attention", "completed", "compensated", "resolved")
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


async def listed_sagas(house: InHouse, *, state: str | None, tenant: str | None) -> tuple[ListedSaga, ...]:
    """Sagas, the latest first; of one state or one store where named."""
    rows = await house.operator_pool.fetch(_LIST, state, tenant, _MAX_LISTED)
    return tuple(ListedSaga(**dict(row)) for row in rows)


async def shown_saga(house: InHouse, order: UUID) -> ShownSaga:
    """Every step of an order's saga, and what the provider was asked.

    Raises:
        SagaNotFound: the order has none.
    """
    await _store_of(house, order)
    steps = await house.operator_pool.fetch(_STEPS, order)
    operations = await house.operator_pool.fetch(_OPERATIONS, order)
    return ShownSaga(
        order_id=order,
        steps=tuple(SagaStep(**dict(row)) for row in steps),
        operations=tuple(SagaOperation(**dict(row)) for row in operations),
    )


async def operate_saga(house: InHouse, order: UUID, decide: Decide, *, actor: str) -> SagaDecided:
    """Have a command decide about an order's saga.

    Raises:
        SagaNotFound: the order has none.
        SagaNotWaiting: it does not ask for attention.
    """
    store = await _store_of(house, order)
    request = CommandRequest(tenant=store, operation="operate_saga", actor=actor)
    return (await house.execution.execute(request, decide)).read(SagaDecided)


async def _store_of(house: InHouse, order: UUID) -> Tenant:
    row = await house.operator_pool.fetchrow(_STORE_OF, order)
    if row is None:
        raise SagaNotFound(f"there is no saga of an order {order}: `shelfwise sagas list` shows those there are")
    return Tenant(**dict(row))
