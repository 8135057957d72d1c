"""The outbox as its deliverer sees it: who has something due, what it is, and how an attempt left it."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection

_KEPT_DAYS = 30
_FORGOTTEN_AT_A_TIME = 500

_DUE = """
SELECT DISTINCT d.tenant_id, d.webhook_id, w.failing_since IS NOT NULL AS is_failing
FROM write.webhook_delivery d
JOIN write.webhook w ON (w.tenant_id, w.webhook_id) = (d.tenant_id, d.webhook_id)
JOIN log.tenant_head h ON h.tenant_id = d.tenant_id
WHERE d.status = 'pending' AND d.next_attempt_at <= clock_timestamp() AND h.shard = $1 AND w.status = 'enabled'
    AND NOT d.webhook_id = ANY($2::uuid[])
LIMIT 200
"""
_NEXT = """
SELECT d.delivery_id, d.webhook_id, d.event_id, d.type, d.body, d.version, d.attempts, d.created_at,
       w.url, w.secret_number, w.rotated_at
FROM write.webhook_delivery d
JOIN write.webhook w ON (w.tenant_id, w.webhook_id) = (d.tenant_id, d.webhook_id)
WHERE d.tenant_id = $1 AND d.webhook_id = $2 AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()
    AND w.status = 'enabled'
ORDER BY d.next_attempt_at, d.delivery_id LIMIT 1
"""
# A delivery that was held, dropped or replayed while it was being sent keeps what became of it meanwhile.
_TRIED = """
UPDATE write.webhook_delivery
SET status = CASE WHEN status = 'pending' THEN $3 ELSE status END, version = version + 1, attempts = $4,
    next_attempt_at = coalesce($5, next_attempt_at)
WHERE tenant_id = $1 AND delivery_id = $2 RETURNING version
"""
_FAILING = "UPDATE write.webhook SET failing_since = $3 WHERE tenant_id = $1 AND webhook_id = $2"
_FORGET = """
DELETE FROM write.webhook_delivery d USING log.tenant_head h
WHERE h.tenant_id = d.tenant_id AND h.shard = $1 AND (d.tenant_id, d.delivery_id) IN (
    SELECT tenant_id, delivery_id FROM write.webhook_delivery
    WHERE created_at < clock_timestamp() - make_interval(days => $2) AND status <> 'pending'
    ORDER BY created_at LIMIT $3
)
"""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who has something due."""

    tenant_id: UUID
    webhook_id: UUID
    is_failing: bool


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A message to send now, and what its receiver needs to be sent to."""

    delivery_id: UUID
    webhook_id: UUID
    event_id: UUID
    type: str
    body: bytes
    version: int
    attempts: int
    created_at: datetime
    url: str
    secret_number: int
    rotated_at: datetime | None


async def receivers(connection: Connection, shard: int, *, visited: Collection[Receiver]) -> list[Receiver]:
    """Those of a shard with something due, but for those being served."""
    rows = await connection.fetch(_DUE, shard, [one.webhook_id for one in visited])
    return [Receiver(**dict(row)) for row in rows]


async def next_due(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> Due | None:
    """What has waited longest."""
    row = await connection.fetchrow(_NEXT, tenant_id, webhook_id)
    return None if row is None else Due(**dict(row))


async def tried(
    connection: Connection, tenant_id: UUID, delivery_id: UUID, *, status: str, attempts: int, next_at: datetime | None
) -> int:
    """How an attempt left a delivery; the version of its stream."""
    version: int = await connection.fetchval(_TRIED, tenant_id, delivery_id, status, attempts, next_at)
    return version


async def set_failing(connection: Connection, tenant_id: UUID, webhook_id: UUID, since: datetime | None) -> None:
    """Since when nothing has succeeded."""
    await connection.execute(_FAILING, tenant_id, webhook_id, since)


async def forget_old(connection: Connection, shard: int) -> None:
    """Deliveries of a month ago and before, some at a time."""
    await connection.execute(_FORGET, shard, _KEPT_DAYS, _FORGOTTEN_AT_A_TIME)
