"""Sagas in the write database. A saga is locked before its payment, and that before its order."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from write_side.order_saga.model import ReturnDue, Saga
from write_side.payments.model import Payment, refund_due

# An order has one payment and one saga, so hearing of it twice starts it once.
_START = """
INSERT INTO write.order_saga (tenant_id, order_id, payment_id, state, step, steps, attempts, lease_epoch, due_at,
                              confirm_by, hold_until, started_at)
VALUES ($1, $2, $3, 'running', 'start', 0, 0, 0, $4, $5, $6, $4)
ON CONFLICT DO NOTHING
"""
_WAKE = """
UPDATE write.order_saga SET due_at = least(due_at, $3)
WHERE tenant_id = $1 AND order_id = $2 AND state = 'running'
"""
_REOPEN = """
UPDATE write.order_saga SET state = 'running', due_at = $3
WHERE tenant_id = $1 AND order_id = $2 AND state IN ('running', 'completed')
"""
_LOCK = """
SELECT order_id, payment_id, state, step, steps, attempts, lease_epoch, confirm_by, hold_until, undo_reason
FROM write.order_saga WHERE tenant_id = $1 AND order_id = $2 FOR NO KEY UPDATE
"""
_MOVE = """
WITH moved AS (
    UPDATE write.order_saga
    SET state = $3, step = $4, steps = steps + 1, attempts = 0, due_at = $5, undo_reason = coalesce(undo_reason, $6),
        failure = $7
    WHERE tenant_id = $1 AND order_id = $2 RETURNING steps
)
INSERT INTO write.order_saga_step (tenant_id, order_id, number, step, note, taken_at)
SELECT $1, $2, moved.steps, $4, $8, $9 FROM moved
"""
_REST = "UPDATE write.order_saga SET attempts = 0, due_at = $3 WHERE tenant_id = $1 AND order_id = $2"
_RETURNS = """
SELECT r.return_id, r.total_minor FROM write.goods_return r
WHERE r.tenant_id = $1 AND r.order_id = $2 AND r.total_minor > 0
ORDER BY r.returned_at, r.return_id
"""
_REVIVE = """
UPDATE write.payment_operation
SET status = CASE status WHEN 'stuck' THEN 'intended' ELSE 'written_off' END, due_at = $3, deadline_at = $4,
    is_leased = false, attempts = greatest(attempts, 1), reason = NULL
WHERE tenant_id = $1 AND payment_id = $2 AND status IN ('stuck', 'refused')
"""
_WRITE_OFF = """
UPDATE write.payment_operation SET status = 'written_off', settled_at = $3
WHERE tenant_id = $1 AND payment_id = $2 AND status IN ('stuck', 'refused', 'intended')
"""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Where a move leaves a saga, and what the journal says of it."""

    state: str
    step: str
    undo_reason: str | None = None
    failure: str | None = None
    note: str | None = None


async def start(
    connection: Connection,
    tenant_id: UUID,
    *,
    order_id: UUID,
    payment_id: UUID,
    now: datetime,
    confirm_by: datetime,
    hold_until: datetime,
) -> None:
    """Begin a saga, unless it has begun."""
    await connection.execute(_START, tenant_id, order_id, payment_id, now, confirm_by, hold_until)


async def wake(connection: Connection, tenant_id: UUID, order_id: UUID, *, now: datetime) -> None:
    """Have it look at how things stand; where there is no saga, there is nothing to wake."""
    await connection.execute(_WAKE, tenant_id, order_id, now)


async def reopen(connection: Connection, tenant_id: UUID, order_id: UUID, *, now: datetime) -> None:
    """The same, also where it had completed."""
    await connection.execute(_REOPEN, tenant_id, order_id, now)


async def lock(connection: Connection, tenant_id: UUID, order_id: UUID) -> Saga | None:
    """The saga, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK, tenant_id, order_id)
    return Saga(**dict(row)) if row else None


async def move(connection: Connection, tenant_id: UUID, order_id: UUID, step: Step, *, now: datetime) -> None:
    """Keep a step, and write it into the journal."""
    await connection.execute(
        _MOVE,
        tenant_id,
        order_id,
        step.state,
        step.step,
        now,
        step.undo_reason,
        step.failure,
        step.note and step.note[:500],
        now,
    )


async def rest(connection: Connection, tenant_id: UUID, order_id: UUID, *, due_at: datetime) -> None:
    """Look again then, unless woken before."""
    await connection.execute(_REST, tenant_id, order_id, due_at)


async def returns_due(
    connection: Connection, tenant_id: UUID, order_id: UUID, payment: Payment
) -> tuple[ReturnDue, ...]:
    """What came back and has no refund yet, of an order and a payment that are locked."""
    rows = await connection.fetch(_RETURNS, tenant_id, order_id)
    due = [(refund_due(payment, row["return_id"]), row["total_minor"]) for row in rows]
    return tuple(ReturnDue(refund_id=one, total_minor=total) for one, total in due if one is not None)


async def revive_operations(
    connection: Connection, tenant_id: UUID, payment_id: UUID, *, now: datetime, deadline_at: datetime
) -> None:
    """What is stuck is asked about again under its own key; what was refused may be asked for anew under another."""
    await connection.execute(_REVIVE, tenant_id, payment_id, now, deadline_at)


async def write_operations_off(connection: Connection, tenant_id: UUID, payment_id: UUID, *, now: datetime) -> None:
    """Nobody asks about them any more."""
    await connection.execute(_WRITE_OFF, tenant_id, payment_id, now)
