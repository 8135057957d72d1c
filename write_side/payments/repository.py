"""Payments in the write database. A payment is locked before anything of it is read or changed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from shared_kernel.database.pool import Connection
from write_side.payments.gateway import Errand, Malformed, Notice, Secret
from write_side.payments.ledger import Entry
from write_side.payments.model import Operation, Payment

_ADD = """
WITH added AS (
    INSERT INTO write.payment (tenant_id, payment_id, version, order_id, currency, amount_minor, status,
                               authorized_minor, captured_minor, released_minor, refunded_minor, fee_minor, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'requested', 0, 0, 0, 0, 0, $7)
)
INSERT INTO write.payment_token (tenant_id, payment_id, token) VALUES ($1, $2, $8)
"""
_LOCK = """
SELECT payment_id, version, order_id, currency, amount_minor, status, authorized_minor, captured_minor, released_minor,
       refunded_minor, fee_minor, provider_reference
FROM write.payment WHERE tenant_id = $1 AND payment_id = $2 FOR NO KEY UPDATE
"""
# A statement of its own, begun once the payment is locked: it sees what the last holder of that lock left. Whoever
# claims an operation to ask the provider locks no payment: where a decision rests on that nobody has asked, nobody may
# begin to before it is committed.
_OPERATIONS = """
SELECT operation_id, kind, amount_minor, status, attempts, reason FROM write.payment_operation
WHERE tenant_id = $1 AND payment_id = $2 ORDER BY created_at, operation_id FOR NO KEY UPDATE
"""
_SAVE = """
WITH changed AS (
    UPDATE write.payment
    SET version = $3, status = $4, authorized_minor = $5, captured_minor = $6, released_minor = $7,
        refunded_minor = $8, fee_minor = $9, provider_reference = $10
    WHERE tenant_id = $1 AND payment_id = $2
)
INSERT INTO write.payment_entry (tenant_id, payment_id, payment_version, account, amount_minor, booked_at)
SELECT $1, $2, $3, e.account, e.amount_minor, $11 FROM unnest($12::text[], $13::bigint[]) AS e(account, amount_minor)
"""
_INTEND = """
INSERT INTO write.payment_operation (tenant_id, operation_id, payment_id, kind, amount_minor, status, attempts,
                                     lease_epoch, is_leased, due_at, deadline_at, requested_by, created_at)
VALUES ($1, $2, $3, $4, $5, 'intended', 0, 0, false, $6, $7, $8, $6)
"""
_END = """
UPDATE write.payment_operation SET status = $3, reason = $4, settled_at = $5 WHERE tenant_id = $1 AND operation_id = $2
"""
_LEASE = """
SELECT lease_epoch FROM write.payment_operation
WHERE tenant_id = $1 AND operation_id = $2 AND status = 'intended' FOR NO KEY UPDATE
"""
_POSTPONE = """
UPDATE write.payment_operation SET due_at = $3, is_leased = false WHERE tenant_id = $1 AND operation_id = $2
"""
_ERRAND = """
SELECT o.tenant_id, o.operation_id, o.payment_id, p.order_id, o.kind, o.amount_minor, p.currency, o.attempts,
       o.lease_epoch, o.requested_by, o.deadline_at, p.provider_reference AS reference, t.token,
       p.authorized_minor - p.captured_minor - p.released_minor AS held_minor
FROM write.payment_operation o
JOIN write.payment p USING (tenant_id, payment_id)
LEFT JOIN write.payment_token t USING (tenant_id, payment_id)
WHERE o.tenant_id = $1 AND o.operation_id = $2
"""
_FORGET_TOKEN = "DELETE FROM write.payment_token WHERE tenant_id = $1 AND payment_id = $2"  # noqa: S105 - a statement
_PAYMENT_OF_ORDER = "SELECT payment_id FROM write.payment WHERE tenant_id = $1 AND order_id = $2"
_OPERATION = """
SELECT operation_id, kind, amount_minor, status, attempts, reason FROM write.payment_operation
WHERE tenant_id = $1 AND operation_id = $2
"""
_QUARANTINE = """
INSERT INTO write.quarantined_answer (tenant_id, quarantine_id, operation_id, source, why, digest, outline, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)
"""
# The first time a notice comes, whatever waits to be asked about its payment is asked at once; what is being asked at
# this moment will have its answer.
_RECEIVE = """
WITH received AS (
    INSERT INTO write.provider_callback (tenant_id, provider_event_id, payment_id, kind, happened_at, received_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING payment_id
), hurried AS (
    UPDATE write.payment_operation o SET due_at = least(o.due_at, $6) FROM received
    WHERE o.tenant_id = $1 AND o.payment_id = received.payment_id AND o.status = 'intended' AND NOT o.is_leased
)
SELECT count(*) AS fresh FROM received
"""


async def add(connection: Connection, tenant_id: UUID, payment: Payment, *, token: str, now: datetime) -> None:
    """Keep a payment that was just requested, and the token that it will be asked for with."""
    await connection.execute(
        _ADD,
        tenant_id,
        payment.payment_id,
        payment.version,
        payment.order_id,
        payment.currency,
        payment.amount_minor,
        now,
        token,
    )


async def lock(connection: Connection, tenant_id: UUID, payment_id: UUID) -> Payment | None:
    """The payment with its operations, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK, tenant_id, payment_id)
    if row is None:
        return None
    operations = await connection.fetch(_OPERATIONS, tenant_id, payment_id)
    return Payment(**dict(row), operations=tuple(_operation(each) for each in operations))


async def payment_of_order(connection: Connection, tenant_id: UUID, order_id: UUID) -> UUID | None:
    """The payment that an order asked for."""
    found: UUID | None = await connection.fetchval(_PAYMENT_OF_ORDER, tenant_id, order_id)
    return found


async def save(
    connection: Connection, tenant_id: UUID, payment: Payment, entries: Sequence[Entry], *, now: datetime
) -> None:
    """Keep what changed of a payment that is locked, with its entries."""
    await connection.execute(
        _SAVE,
        tenant_id,
        payment.payment_id,
        payment.version,
        payment.status,
        payment.authorized_minor,
        payment.captured_minor,
        payment.released_minor,
        payment.refunded_minor,
        payment.fee_minor,
        payment.provider_reference,
        now,
        [entry.account for entry in entries],
        [entry.amount_minor for entry in entries],
    )


async def intend(
    connection: Connection,
    tenant_id: UUID,
    payment: Payment,
    operation: Operation,
    *,
    requested_by: str,
    deadline_at: datetime,
    now: datetime,
) -> None:
    """Keep what the provider is going to be asked, before anybody asks."""
    await connection.execute(
        _INTEND,
        tenant_id,
        operation.operation_id,
        payment.payment_id,
        operation.kind,
        operation.amount_minor,
        now,
        deadline_at,
        requested_by,
    )


async def end_operation(
    connection: Connection,
    tenant_id: UUID,
    operation_id: UUID,
    status: str,
    *,
    reason: str | None = None,
    now: datetime,
) -> None:
    """Nobody asks the provider about it any more."""
    await connection.execute(_END, tenant_id, operation_id, status, reason, now)


async def lease_of(connection: Connection, tenant_id: UUID, operation_id: UUID) -> int | None:
    """The epoch of who may settle it, locked; None where it is settled."""
    epoch: int | None = await connection.fetchval(_LEASE, tenant_id, operation_id)
    return epoch


async def postpone(connection: Connection, tenant_id: UUID, operation_id: UUID, *, due_at: datetime) -> None:
    """Ask again then."""
    await connection.execute(_POSTPONE, tenant_id, operation_id, due_at)


async def forget_token(connection: Connection, tenant_id: UUID, payment_id: UUID) -> None:
    """It has served."""
    await connection.execute(_FORGET_TOKEN, tenant_id, payment_id)


async def errand(connection: Connection, tenant_id: UUID, operation_id: UUID) -> Errand | None:
    """An operation as a provider is asked about it."""
    row = await connection.fetchrow(_ERRAND, tenant_id, operation_id)
    if row is None:
        return None
    columns = dict(row)
    token = columns.pop("token")
    return Errand(**columns, token=Secret(text=token) if token else None)


async def operation(connection: Connection, tenant_id: UUID, operation_id: UUID) -> Operation | None:
    """An operation as it stands."""
    row = await connection.fetchrow(_OPERATION, tenant_id, operation_id)
    return _operation(row) if row else None


async def quarantine(
    connection: Connection,
    tenant_id: UUID,
    malformed: Malformed,
    *,
    quarantine_id: UUID,
    operation_id: UUID | None,
    source: str,
    now: datetime,
) -> None:
    """Keep aside the shape of what could not be read."""
    await connection.execute(
        _QUARANTINE,
        tenant_id,
        quarantine_id,
        operation_id,
        source,
        malformed.why[:500],
        malformed.digest,
        malformed.outline,
        now,
    )


async def receive(connection: Connection, notice: Notice, *, now: datetime) -> bool:
    """Keep a notice once; whether it is the first time."""
    fresh = await connection.fetchval(
        _RECEIVE,
        notice.tenant_id,
        notice.provider_event_id,
        notice.payment_id,
        notice.kind,
        notice.happened_at,
        now,
    )
    return bool(fresh)


def _operation(row: asyncpg.Record) -> Operation:
    return Operation(**dict(row))
