"""Snapshots in the write database."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from write_side.snapshots.commands import SnapshotDecided

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('snapshots of ' || $1::text, 0))"
# A statement of its own: it must see what was committed before the lock was granted.
_LOAD = """
SELECT h.position AS head, CASE WHEN $2::timestamptz IS NULL THEN 0 ELSE log.position_at($1, $2) END AS position,
    ARRAY(SELECT s.expires_at FROM write.snapshot s WHERE s.tenant_id = $1 AND s.expires_at > $3) AS expiries
FROM log.tenant_head h WHERE h.tenant_id = $1
"""
_ADD = """
INSERT INTO write.snapshot (tenant_id, snapshot_id, version, views, position, requested_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Where the store's log ends, where it was at the moment asked for, and when its snapshots expire."""

    head: int
    position: int
    expiries: list[datetime]


async def load(connection: Connection, tenant_id: UUID, *, moment: datetime | None, now: datetime) -> Log:
    """What a decision needs; until the transaction ends, no other snapshot of the tenant is decided."""
    await connection.execute(_LOCK, f"{tenant_id}")
    row = await connection.fetchrow(_LOAD, tenant_id, moment, now)
    return Log(head=0, position=0, expiries=[]) if row is None else Log(**dict(row))


async def add(connection: Connection, tenant_id: UUID, snapshot: SnapshotDecided, *, now: datetime) -> None:
    """Save a snapshot."""
    await connection.execute(
        _ADD,
        tenant_id,
        snapshot.id,
        snapshot.version,
        list(snapshot.views),
        snapshot.position,
        now,
        snapshot.expires_at,
    )
