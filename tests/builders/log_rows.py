"""Puts recorded events straight into the log's tables, as the administrator: for tests below the write side."""

import asyncpg
import msgspec

from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.events.registry import encode_payload
from shared_kernel.log.partitions import shard_of

_TENANT = """
INSERT INTO write.tenant (tenant_id, version, slug, name, currency, timezone, prices_include_tax, tax_rates,
    allowed_origins, created_at)
VALUES ($1, 1, $2, $2, 'GBP', 'Europe/London', true, '{}', '{}', now()) ON CONFLICT DO NOTHING
"""
_HEAD = """
INSERT INTO log.tenant_head (tenant_id, shard, position, recorded_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position, recorded_at = excluded.recorded_at
"""
_EVENT = """
INSERT INTO log.event (tenant_id, position, event_id, stream_type, stream_id, stream_version, type, schema_version,
    payload, metadata, occurred_at, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb, $11, $12)
"""


async def write_log(admin_url: str, events: list[Recorded[Event]]) -> None:
    """Append one tenant's events, as they are, and move its head to the last."""
    tenant_id = events[0].tenant_id
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute(_TENANT, tenant_id, f"store-{tenant_id.hex[:12]}")
            await connection.executemany(_EVENT, [_row(one) for one in events])
            last = events[-1]
            await connection.execute(_HEAD, tenant_id, shard_of(tenant_id), last.position, last.recorded_at)
    finally:
        await connection.close()


def _row(one: Recorded[Event]) -> tuple[object, ...]:
    kind = type(one.event)
    return (
        one.tenant_id,
        one.position,
        one.event_id,
        kind.stream_type,
        one.stream_id,
        one.stream_version,
        kind.__name__,
        kind.schema_version,
        encode_payload(one.event),
        msgspec.json.encode(one.metadata).decode(),
        one.occurred_at,
        one.recorded_at,
    )
