"""Up to where each build of each projection has folded each tenant: the rows every batch locks, compares and moves."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from projections.runtime.catalog import Catalog
from shared_kernel.database.pool import Connection


class BuildId(msgspec.Struct, frozen=True, kw_only=True):
    """One filling of one version of one projection's table."""

    name: str
    version: int
    build: int


_FOLDED_ALONG = ("live", "kept", "returning")
CheckpointId: TypeAlias = tuple[UUID, str, int, int]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One build's progress in one tenant.

    Attributes:
        mode: `live` is read, `kept` is folded along for a rollback, `returning` is about to be read again, `building`
            belongs to a rebuild, `frozen` stops at a snapshot's position.
        position: of the last event folded.
        as_of: when that event was recorded.
        revision: moves whenever rows change.
        rows: how many rows there are.
        parked: how many keys are parked.
        paused: an operator has it stand still.
    """

    tenant_id: UUID
    name: str
    version: int
    build: int
    mode: str
    position: int
    as_of: datetime | None
    revision: int
    rows: int
    parked: int
    paused: bool = False

    @property
    def is_folded_along(self) -> bool:
        """Whether every batch of its tenant takes it along; what is being built has turns of its own."""
        return self.mode in _FOLDED_ALONG and not self.paused

    @property
    def id(self) -> CheckpointId:
        """What identifies it."""
        return (self.tenant_id, self.name, self.version, self.build)

    @property
    def build_id(self) -> BuildId:
        """Whose progress it is."""
        return BuildId(name=self.name, version=self.version, build=self.build)


_COLUMNS = "tenant_id, name, version, build, mode, position, as_of, revision, rows, parked, paused"
_SELECT = f"""
SELECT {_COLUMNS} FROM projection.checkpoint
WHERE tenant_id = ANY($1::uuid[]) AND (name, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
"""  # noqa: S608 - a constant of this module
_LOCK = f"""
SELECT {_COLUMNS}
FROM projection.checkpoint WHERE (tenant_id, name, version, build) IN
    (SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[]))
ORDER BY tenant_id, name, version, build FOR NO KEY UPDATE
"""  # noqa: S608 - a constant of this module
_LOCK_UNLOCKED = f"{_LOCK} SKIP LOCKED"
_MOVE = """
UPDATE projection.checkpoint c
SET position = m.position, as_of = m.as_of, revision = m.revision, rows = m.rows, parked = m.parked
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::timestamptz[], $7::bigint[], $8::bigint[],
    $9::int[]) AS m(tenant_id, name, version, build, position, as_of, revision, rows, parked)
WHERE (c.tenant_id, c.name, c.version, c.build) = (m.tenant_id, m.name, m.version, m.build)
"""
# A rebuild of all tenants begins under the same lock, alone: so a tenant is either among those it rebuilds or begins in
# the build it makes.
_LOCK_BUILDS_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('projection.builds', 0))"
_LOCK_BUILDS = "SELECT pg_advisory_xact_lock(hashtextextended('projection.builds', 0))"
_ENROL = """
WITH newest AS (
    SELECT DISTINCT ON (b.name, b.version) b.name, b.version, b.build
    FROM projection.build b JOIN unnest($2::text[], $3::int[]) AS wanted(name, version) USING (name, version)
    WHERE b.attached_at IS NOT NULL AND NOT b.is_frozen
    ORDER BY b.name, b.version, b.build DESC
), wanted AS (
    SELECT t.tenant_id, n.name, n.version, n.build,
        EXISTS (SELECT FROM read.active_build o
                WHERE (o.tenant_id, o.name) = (t.tenant_id, n.name) AND o.version <> n.version) AS is_read_elsewhere
    FROM unnest($1::uuid[]) AS t(tenant_id) CROSS JOIN newest n
    WHERE NOT EXISTS (SELECT FROM read.active_build a
                      WHERE (a.tenant_id, a.name, a.version) = (t.tenant_id, n.name, n.version))
), enrolled AS (
    INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, revision, rows, paused)
    SELECT w.tenant_id, w.name, w.version, w.build, CASE WHEN w.is_read_elsewhere THEN 'building' ELSE 'live' END,
        0, 0, 0, EXISTS (SELECT FROM projection.pause p WHERE p.name = w.name)
    FROM wanted w
    WHERE NOT w.is_read_elsewhere OR (
        EXISTS (SELECT FROM read.active_build a WHERE (a.name, a.version) = (w.name, w.version))
        AND NOT EXISTS (SELECT FROM projection.checkpoint c
                        WHERE (c.tenant_id, c.name, c.version) = (w.tenant_id, w.name, w.version)))
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, name, version, build, mode
)
INSERT INTO read.active_build (tenant_id, name, version, build)
SELECT tenant_id, name, version, build FROM enrolled WHERE mode = 'live' ON CONFLICT DO NOTHING
"""


async def load(connection: Connection, catalog: Catalog, tenants: Iterable[UUID]) -> list[Checkpoint]:
    """Every build's checkpoint of these tenants, of this release's versions."""
    names = [subject.name for subject in catalog.subjects]
    versions = [subject.version for subject in catalog.subjects]
    rows = await connection.fetch(_SELECT, list(tenants), names, versions)
    return [Checkpoint(**dict(row)) for row in rows]


async def enrol(connection: Connection, catalog: Catalog, tenants: Sequence[UUID]) -> None:
    """Begin tenants that a projection has not seen: at position 0 of its newest build, which becomes active.

    A tenant that reads another version meanwhile is built first; where none reads this version yet, by a rebuild.
    """
    await connection.execute(_LOCK_BUILDS_SHARED)
    names = [subject.name for subject in catalog.subjects]
    versions = [subject.version for subject in catalog.subjects]
    await connection.execute(_ENROL, list(tenants), names, versions)


async def lock_builds(connection: Connection) -> None:
    """Until the transaction ends, no tenant is enrolled."""
    await connection.execute(_LOCK_BUILDS)


async def lock_unlocked(connection: Connection, wanted: Sequence[Checkpoint]) -> dict[CheckpointId, Checkpoint]:
    """The same checkpoints as they stand, locked until the transaction ends; without those that somebody holds.

    Whoever holds one is about to change it, or is frozen: other tenants do not wait for that.
    """
    rows = await connection.fetch(_LOCK_UNLOCKED, *_ids(wanted))
    return {row[:4]: Checkpoint(**dict(row)) for row in rows}


async def lock_one(connection: Connection, tenant_id: UUID, build: BuildId) -> Checkpoint | None:
    """A checkpoint as it stands, locked until the transaction ends; None where it is no more."""
    row = await connection.fetchrow(_LOCK, [tenant_id], [build.name], [build.version], [build.build])
    return None if row is None else Checkpoint(**dict(row))


async def move(connection: Connection, checkpoints: Sequence[Checkpoint]) -> None:
    """Store the checkpoints as given. One round trip."""
    await connection.execute(
        _MOVE,
        *_ids(checkpoints),
        [one.position for one in checkpoints],
        [one.as_of for one in checkpoints],
        [one.revision for one in checkpoints],
        [one.rows for one in checkpoints],
        [one.parked for one in checkpoints],
    )


def _ids(checkpoints: Sequence[Checkpoint]) -> list[list[UUID] | list[str] | list[int]]:
    return [
        [one.tenant_id for one in checkpoints],
        [one.name for one in checkpoints],
        [one.version for one in checkpoints],
        [one.build for one in checkpoints],
    ]
