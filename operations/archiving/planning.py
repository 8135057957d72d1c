"""How far each store's log may be archived: what is old enough, and what nobody is going to fold any more."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.monitor.looking import Version

_STORES = """
SELECT h.tenant_id, t.slug, h.position AS head,
    coalesce((SELECT max(a.to_position) FROM log.archive a WHERE a.tenant_id = h.tenant_id), 0) AS noted,
    coalesce((SELECT max(a.to_position) FROM log.archive a
              WHERE a.tenant_id = h.tenant_id AND a.removed_at IS NOT NULL), 0) AS removed
FROM log.tenant_head h JOIN write.tenant t USING (tenant_id)
WHERE $1::uuid IS NULL OR h.tenant_id = $1 ORDER BY t.slug
"""
_RECORDED_AT = "SELECT recorded_at FROM log.event WHERE tenant_id = $1 AND position = $2"
# Live, kept or being built: whatever has a checkpoint goes on from it, and a parked key from before its first event.
_FOLDED = """
SELECT c.tenant_id, min(least(c.position, coalesce(k.first_position - 1, c.position))) AS position,
    count(DISTINCT (c.name, c.version)) FILTER (
        WHERE (c.name, c.version) IN (SELECT * FROM unnest($2::text[], $3::int[]))) AS begun
FROM projection.checkpoint c
LEFT JOIN projection.parked_key k USING (tenant_id, name, version, build)
WHERE $1::uuid IS NULL OR c.tenant_id = $1 GROUP BY c.tenant_id
"""
# A reaction that begins at the beginning and has not, in a store, needs all of it.
_REACTED = """
SELECT h.tenant_id, min(CASE
    WHEN c.position IS NOT NULL THEN least(c.position, coalesce(k.first_position - 1, c.position))
    WHEN s.begins = 'beginning' THEN 0 END) AS position
FROM log.tenant_head h CROSS JOIN reaction.followed s
LEFT JOIN reaction.checkpoint c ON (c.reaction, c.tenant_id) = (s.reaction, h.tenant_id)
LEFT JOIN reaction.parked_key k ON (k.reaction, k.tenant_id) = (c.reaction, c.tenant_id)
WHERE $1::uuid IS NULL OR h.tenant_id = $1 GROUP BY h.tenant_id
"""


class StorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done in one store.

    Attributes:
        noted: the last position that the manifest has a file for.
        removed: the last that is in the archive alone.
        until: the last that may be archived.
        old_until: the last that is old enough; beyond `until` somebody still has to fold it.
    """

    tenant_id: UUID
    slug: str
    noted: int
    removed: int
    until: int
    old_until: int

    @property
    def events(self) -> int:
        """How many are to leave the table."""
        return max(0, self.until - self.removed)

    @property
    def held_back(self) -> int:
        """How many are old enough, and somebody has not folded them yet."""
        return max(0, self.old_until - max(self.until, self.removed))


async def plan(
    write: Connection, read: Connection, *, before: datetime, tenant_id: UUID | None, versions: Sequence[Version]
) -> list[StorePlan]:
    """The plan of every store, or of one.

    Args:
        write, read: the operator's connections to either database.
        before: events recorded earlier are old enough.
        tenant_id: one store only.
        versions: this release's projections; a store that one of them has not begun keeps all of its log.
    """
    names = [one.name for one in versions], [one.version for one in versions]
    folded = {
        row["tenant_id"]: row["position"] if row["begun"] == len(versions) else 0
        for row in await read.fetch(_FOLDED, tenant_id, *names)
    }
    reacted = {row["tenant_id"]: row["position"] for row in await write.fetch(_REACTED, tenant_id)}
    plans = []
    for row in await write.fetch(_STORES, tenant_id):
        tenant, head = row["tenant_id"], row["head"]
        old_until = await _last_before(write, tenant, before, after=row["removed"], head=head)
        needed = [folded.get(tenant, 0), *(one for one in [reacted.get(tenant)] if one is not None)]
        plans.append(
            StorePlan(
                tenant_id=tenant,
                slug=row["slug"],
                noted=row["noted"],
                removed=row["removed"],
                until=min(old_until, *needed),
                old_until=old_until,
            )
        )
    return plans


async def _last_before(write: Connection, tenant_id: UUID, before: datetime, *, after: int, head: int) -> int:
    """The last position, but the head's, recorded before a moment: time and position agree, so it is bisected."""
    low, high = after, head - 1  # the last event of a store is never archived
    while low < high:
        middle = (low + high + 1) // 2
        if await write.fetchval(_RECORDED_AT, tenant_id, middle) < before:
            low = middle
        else:
            high = middle - 1
    return low
