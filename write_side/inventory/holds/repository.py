"""Holds in the write database. A hold is only ever changed by whoever has its stock account locked."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from shared_kernel.database.pool import Connection
from write_side.inventory.holds.model import Hold
from write_side.inventory.model import Stock
from write_side.inventory.repository import stock_of

# The hold's place never changes, so it may be read before the account is locked.
_LOCK_ACCOUNT = """
SELECT s.stock_id, s.location_id, s.edition_id, s.version, s.on_hand, s.reserved, s.value_minor, s.waiting
FROM write.hold h JOIN write.stock s USING (tenant_id, location_id, edition_id)
WHERE h.tenant_id = $1 AND h.hold_id = $2 FOR NO KEY UPDATE OF s
"""
_COLUMNS = "h.hold_id, h.version, h.kind, h.status, h.location_id, h.edition_id, h.quantity, h.allocated, h.expires_at"
_LOAD = f"SELECT {_COLUMNS} FROM write.hold h WHERE h.tenant_id = $1 AND h.hold_id = ANY($2::uuid[])"  # noqa: S608 - a constant
# Each of them gets one copy at least, so no more can be served than there are copies, however many wait.
_WAITING = f"""
SELECT {_COLUMNS}
FROM unnest($2::uuid[], $3::uuid[], $4::int[]) AS place(location_id, edition_id, free)
CROSS JOIN LATERAL (
    SELECT * FROM write.hold w WHERE w.tenant_id = $1 AND w.status = 'waiting'
        AND w.location_id = place.location_id AND w.edition_id = place.edition_id
    ORDER BY w.placed_at, w.hold_id LIMIT place.free
) AS h
ORDER BY h.placed_at, h.hold_id
"""  # noqa: S608 - the same
_ADD = """
WITH added AS (
    INSERT INTO write.hold (tenant_id, hold_id, version, kind, status, location_id, edition_id, quantity, allocated,
                            placed_at, expires_at)
    VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $11)
)
UPDATE write.stock SET waiting = waiting + $10
WHERE tenant_id = $1 AND location_id = $5 AND edition_id = $6 AND $10 <> 0
"""
# The statement's own time, for which an index can be searched: else each look would read all that have time left.
_DUE = """
SELECT h.tenant_id, h.hold_id FROM write.hold h JOIN log.tenant_head t USING (tenant_id)
WHERE t.shard = $1 AND h.status IN ('waiting', 'ready') AND h.expires_at <= statement_timestamp()
    AND coalesce(h.expiry_retry_at, '-infinity') <= statement_timestamp()
ORDER BY h.expires_at LIMIT $2
"""
_POSTPONE = """
UPDATE write.hold SET expiry_attempts = expiry_attempts + 1,
    expiry_retry_at = clock_timestamp() + make_interval(secs => least($4, $3 * 2 ^ least(expiry_attempts, 20)))
WHERE tenant_id = $1 AND hold_id = $2
"""
_SAVE = """
WITH changed AS (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::int[], $6::uuid[], $7::uuid[], $8::int[])
        AS c(hold_id, version, status, allocated, location_id, edition_id, no_longer_missing)
), saved AS (
    UPDATE write.hold h SET version = c.version, status = c.status, allocated = c.allocated
    FROM changed c WHERE h.tenant_id = $1 AND h.hold_id = c.hold_id
)
UPDATE write.stock s SET waiting = s.waiting - c.copies
FROM (SELECT location_id, edition_id, sum(no_longer_missing) AS copies FROM changed GROUP BY 1, 2) c
WHERE s.tenant_id = $1 AND s.location_id = c.location_id AND s.edition_id = c.edition_id AND c.copies <> 0
"""


async def lock_account(connection: Connection, tenant_id: UUID, hold_id: UUID) -> Stock | None:
    """The account that a hold's copies are of, locked; None where there is no such hold."""
    row = await connection.fetchrow(_LOCK_ACCOUNT, tenant_id, hold_id)
    return stock_of(row) if row else None


async def load(connection: Connection, tenant_id: UUID, hold_ids: Collection[UUID]) -> list[Hold]:
    """Those there are; whoever means to change them has locked their accounts before."""
    return [_hold(row) for row in await connection.fetch(_LOAD, tenant_id, list(hold_ids))]


async def waiting_at(connection: Connection, tenant_id: UUID, stocks: Sequence[Stock]) -> list[Hold]:
    """Who waits for the free copies of these accounts and can have some, the longest first."""
    places = [stock.location_id for stock in stocks], [stock.edition_id for stock in stocks]
    free = [stock.available for stock in stocks]
    return [_hold(row) for row in await connection.fetch(_WAITING, tenant_id, *places, free)]


async def due(connection: Connection, shard: int, *, at_most: int) -> list[tuple[UUID, UUID]]:
    """Store and id of holds whose time has come, of a shard's stores, the earliest first."""
    return [(row["tenant_id"], row["hold_id"]) for row in await connection.fetch(_DUE, shard, at_most)]


async def postpone_expiry(
    connection: Connection, tenant_id: UUID, hold_id: UUID, *, first_seconds: float, longest_seconds: float
) -> None:
    """It could not be ended: try again later, after twice as long each time."""
    await connection.execute(_POSTPONE, tenant_id, hold_id, first_seconds, longest_seconds)


async def add(connection: Connection, tenant_id: UUID, hold: Hold, *, placed_at: datetime) -> None:
    """Keep a new hold, whose account is locked."""
    await connection.execute(
        _ADD,
        tenant_id,
        hold.hold_id,
        hold.kind,
        hold.status,
        hold.location_id,
        hold.edition_id,
        hold.quantity,
        hold.allocated,
        placed_at,
        hold.missing,
        hold.expires_at,
    )


async def save(connection: Connection, tenant_id: UUID, changes: Sequence[tuple[Hold, Hold]]) -> None:
    """Keep what has become of holds, each as it was and as it is; their accounts are locked."""
    await connection.execute(
        _SAVE,
        tenant_id,
        [after.hold_id for _, after in changes],
        [after.version for _, after in changes],
        [after.status for _, after in changes],
        [after.allocated for _, after in changes],
        [after.location_id for _, after in changes],
        [after.edition_id for _, after in changes],
        [before.missing - after.missing for before, after in changes],
    )


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(**dict(row))
