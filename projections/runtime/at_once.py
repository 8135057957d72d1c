"""A batch's end in one statement, a transaction of its own: fence, lock, compare, save and move, or change nothing.

Rows were loaded before, without any lock. That they still stand as they were is what the comparison says: whoever
changes a build's rows of a tenant does so with its checkpoint locked, and moves its position or its revision. The
checkpoints were known to stand so before the rows were loaded, and none of the two ever goes back.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Literal, TypeAlias
from uuid import UUID

from projections.runtime import leases
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.leases import Lease
from projections.runtime.statements import (
    COMPOSITIONS,
    MOST_ROWS,
    AnyCodec,
    Changed,
    Kind,
    Modification,
    deletion,
    parts_of,
    upsert,
)
from shared_kernel.database.pool import Connection

Moves: TypeAlias = Sequence[tuple[Checkpoint, Checkpoint]]
"""Checkpoints as they are believed to stand, and as they are to stand then."""

# What many checkpoints share is sent once and referred to by its place: tenants with where they stand and come to
# stand, and builds. The gate is asked by all that writes, and asks for the leases first and then for the checkpoints.
# Nobody is waited for but an epoch that is just being taken: who holds a checkpoint is about to change it. LATERAL has
# each checkpoint looked up by its key; joined, PostgreSQL reads all of a small table for each.
_HELD_AND_MOVED = """
held AS MATERIALIZED ({fencing}),
locked AS MATERIALIZED (
    SELECT c.tenant_id, c.name, c.version, c.build, ($5::bigint[])[m.of_tenant] AS position,
        ($6::timestamptz[])[m.of_tenant] AS as_of, c.revision + m.revisions AS revision, c.rows + m.more_rows AS rows
    FROM unnest($11::int[], $12::int[], $13::bigint[], $14::int[], $15::int[])
        AS m(of_tenant, of_build, revision, revisions, more_rows)
    CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.name, c.version, c.build, c.revision, c.rows FROM projection.checkpoint c
        WHERE c.tenant_id = ($3::uuid[])[m.of_tenant] AND c.name = ($7::text[])[m.of_build]
            AND c.version = ($8::int[])[m.of_build] AND c.build = ($9::int[])[m.of_build]
            AND c.mode = ($10::text[])[m.of_build] AND c.position = ($4::bigint[])[m.of_tenant]
            AND c.revision = m.revision AND c.parked = 0 AND NOT c.paused
        FOR NO KEY UPDATE SKIP LOCKED
    ) c
    WHERE (SELECT count(*) FROM held) = cardinality($1)
),
gate AS MATERIALIZED (SELECT count(*) = cardinality($11::int[]) AS is_open FROM locked),
moved AS (
    UPDATE projection.checkpoint c
    SET position = l.position, as_of = l.as_of, revision = l.revision, rows = l.rows FROM locked l
    WHERE (c.tenant_id, c.name, c.version, c.build) = (l.tenant_id, l.name, l.version, l.build)
        AND (SELECT is_open FROM gate)
)"""
_FIRST_OF_ROWS = 16
_IS_OPEN = "(SELECT is_open FROM gate)"


def is_ordinary(checkpoints: Sequence[Checkpoint]) -> bool:
    """Whether nothing is parked here, and nothing paused: the statement knows of neither."""
    return not any(one.parked or one.paused for one in checkpoints)


def is_small(changed: Sequence[Changed]) -> bool:
    """Whether it all goes into one statement."""
    return all(len(one.changes.upserts) <= MOST_ROWS and len(one.changes.deletes) <= MOST_ROWS for one in changed)


async def save_and_move(
    connection: Connection, held: Sequence[Lease], moves: Moves, changed: Sequence[Changed]
) -> bool:
    """Write what folding came to and move the checkpoints; False where a lease or a checkpoint was not as believed.

    One round trip, and committed once it is over. What is changed must be small, the checkpoints ordinary.

    Raises:
        One of REFUSALS: some row is unacceptable; nothing was changed.
    """
    modified: list[Modification] = []
    for one in changed:
        if one.changes.upserts:
            modified.append(upsert(one, list(one.changes.upserts.items())))
        if one.changes.deletes:
            modified.append(deletion(one, list(one.changes.deletes)))
    statement = _statement(held[0].line, tuple((kind, codec) for kind, codec, _ in modified))
    arguments = chain.from_iterable(its for _, _, its in modified)
    return bool(await connection.fetchval(statement, *_holding(held), *_moving(moves), *arguments))


@lru_cache(maxsize=COMPOSITIONS)
def _statement(line: Literal["", "_behind"], modified: tuple[tuple[Kind, AnyCodec], ...]) -> str:
    held_and_moved = _HELD_AND_MOVED.format(fencing=leases.fencing(line))
    parts = parts_of(modified, first=_FIRST_OF_ROWS, condition=_IS_OPEN)
    return f"WITH {', '.join([held_and_moved, *parts])} SELECT is_open FROM gate"  # noqa: S608 - names of a Table


def _holding(held: Sequence[Lease]) -> tuple[list[int], list[int]]:
    return [one.shard for one in held], [one.epoch for one in held]


def _moving(moves: Moves) -> list[Sequence[object]]:
    tenants: dict[tuple[UUID, int, int], int] = {}
    builds: dict[tuple[str, int, int, str], int] = {}
    as_of: list[datetime | None] = []
    of_tenant: list[int] = []
    of_build: list[int] = []
    for before, after in moves:
        tenant = before.tenant_id, before.position, after.position
        if tenant not in tenants:
            tenants[tenant] = len(tenants) + 1
            as_of.append(after.as_of)
        of_tenant.append(tenants[tenant])
        build = before.name, before.version, before.build, before.mode
        of_build.append(builds.setdefault(build, len(builds) + 1))
    return [
        *zip(*tenants, strict=True),
        as_of,
        *zip(*builds, strict=True),
        of_tenant,
        of_build,
        [before.revision for before, _ in moves],
        [after.revision - before.revision for before, after in moves],
        [after.rows - before.rows for before, after in moves],
    ]
