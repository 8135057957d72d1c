"""Webhooks in the write database. A webhook is locked before its deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from write_side.webhooks.model import Webhook
from write_side.webhooks.public_events import Message

MAX_REPLAYED = 1_000
"""A statement's worth; the answer says where to go on."""

_COLUMNS = "webhook_id, version, url, event_types, description, status, secret_number, rotated_at, failing_since"
# Before they are counted, in a statement of its own, so that two who create at once do not both count one too few.
_TAKE_TURNS = "SELECT FROM log.tenant_head WHERE tenant_id = $1 FOR NO KEY UPDATE"
_COUNT = "SELECT count(*) FROM write.webhook WHERE tenant_id = $1 AND status <> 'deleted'"
_ADD = """
INSERT INTO write.webhook (tenant_id, webhook_id, version, url, event_types, description, status, secret_number,
                           created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_LOCK = f"""
SELECT {_COLUMNS} FROM write.webhook WHERE tenant_id = $1 AND webhook_id = $2 AND status <> 'deleted' FOR NO KEY UPDATE
"""  # noqa: S608 - a constant of this module
_SAVE = """
UPDATE write.webhook SET version = $3, status = $4, secret_number = $5, rotated_at = $6, failing_since = $7
WHERE tenant_id = $1 AND webhook_id = $2
"""
_TURN = """
UPDATE write.webhook_delivery SET status = $4 WHERE tenant_id = $1 AND webhook_id = $2 AND status = ANY($3::text[])
"""
_ENABLED = f"SELECT {_COLUMNS} FROM write.webhook WHERE tenant_id = $1 AND status = 'enabled'"  # noqa: S608 - as above
_NOTE = """
INSERT INTO write.webhook_delivery (tenant_id, delivery_id, webhook_id, event_id, position, type, body, status, version,
                                    attempts, next_attempt_at, created_at)
SELECT $1, n.*, 'pending', 0, 0, $8, $8
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::bytea[]) AS n
ON CONFLICT DO NOTHING
"""
_REPLAY = """
WITH chosen AS (
    SELECT delivery_id, position FROM write.webhook_delivery
    WHERE tenant_id = $1 AND webhook_id = $2 AND position >= $3 AND status = ANY($4::text[])
    ORDER BY position LIMIT $5 FOR UPDATE
), replayed AS (
    UPDATE write.webhook_delivery d SET status = $6, attempts = 0, next_attempt_at = $7
    FROM chosen WHERE d.tenant_id = $1 AND d.delivery_id = chosen.delivery_id
)
SELECT count(*) AS messages, max(position) AS last FROM chosen
"""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way into the outbox."""

    delivery_id: UUID
    webhook_id: UUID
    event_id: UUID
    position: int
    message: Message


async def count(connection: Connection, tenant_id: UUID) -> int:
    """How many there are, and until the transaction ends nobody adds one."""
    await connection.execute(_TAKE_TURNS, tenant_id)
    found: int = await connection.fetchval(_COUNT, tenant_id)
    return found


async def add(connection: Connection, tenant_id: UUID, webhook: Webhook, now: datetime) -> None:
    """Keep a new one."""
    await connection.execute(
        _ADD,
        tenant_id,
        webhook.webhook_id,
        webhook.version,
        webhook.url,
        list(webhook.event_types),
        webhook.description,
        webhook.status,
        webhook.secret_number,
        now,
    )


async def lock(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> Webhook | None:
    """The webhook, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK, tenant_id, webhook_id)
    return None if row is None else _webhook(dict(row))


async def save(connection: Connection, tenant_id: UUID, webhook: Webhook) -> None:
    """Keep what can change of a webhook that is locked."""
    await connection.execute(
        _SAVE,
        tenant_id,
        webhook.webhook_id,
        webhook.version,
        webhook.status,
        webhook.secret_number,
        webhook.rotated_at,
        webhook.failing_since,
    )


async def turn(
    connection: Connection,
    tenant_id: UUID,
    webhook_id: UUID,
    *,
    of: Sequence[str],
    into: Literal["pending", "held", "dropped"],
) -> None:
    """Give deliveries of these statuses another."""
    await connection.execute(_TURN, tenant_id, webhook_id, list(of), into)


async def enabled(connection: Connection, tenant_id: UUID) -> list[Webhook]:
    """Who is told."""
    return [_webhook(dict(row)) for row in await connection.fetch(_ENABLED, tenant_id)]


async def note(connection: Connection, tenant_id: UUID, noted: Sequence[Noted], now: datetime) -> None:
    """Put messages into the outbox."""
    await connection.execute(
        _NOTE,
        tenant_id,
        [one.delivery_id for one in noted],
        [one.webhook_id for one in noted],
        [one.event_id for one in noted],
        [one.position for one in noted],
        [one.message.type for one in noted],
        [one.message.body for one in noted],
        now,
    )


async def replay(
    connection: Connection,
    tenant_id: UUID,
    webhook: Webhook,
    *,
    from_position: int,
    statuses: Sequence[str],
    now: datetime,
) -> tuple[int, int | None]:
    """Send messages again; how many, and the position of the last."""
    into = "pending" if webhook.status == "enabled" else "held"
    row = await connection.fetchrow(
        _REPLAY, tenant_id, webhook.webhook_id, from_position, list(statuses), MAX_REPLAYED, into, now
    )
    assert row is not None, "an aggregate has a row"
    return row["messages"], row["last"]


def _webhook(row: dict[str, object]) -> Webhook:
    return msgspec.convert({**row, "event_types": tuple(row["event_types"])}, Webhook)  # type: ignore[arg-type]  # an array
