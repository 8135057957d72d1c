"""Leases: one worker at a time drains a shard, and its epoch fences out whoever held it before.

A worker that lost a lease without noticing (stopped, partitioned) still has the old epoch: every transaction locks the
lease row and compares, so it changes nothing. Redis compares the same epoch.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.log.partitions import SHARDS
from shared_kernel.subscription.failures import LeaseLostError

LEASE_SECONDS = 4.0
"""A dead worker's shards stand still for as long as this; a live one renews four times in it."""
WORKER_SEEN_SECONDS = 5.0
"""A worker not seen for this long no longer counts when shards are shared out."""

LeaseLine: TypeAlias = Literal["", "_behind"]
"""A release that another has overtaken leases the same shards from tables of its own."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to work on a shard, as long as the epoch is the newest.

    Attributes:
        crashes: how often the lease expired in a worker's hands, without being given back, since the shard was last
            drained to its heads: what is in the log may have killed them.
        line: whose leases it is among.
    """

    shard: int
    epoch: int
    crashes: int = 0
    line: LeaseLine = ""


class LeaseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long a lease lasts, in seconds, and what follows from it."""

    lease_seconds: float = LEASE_SECONDS

    @property
    def seen_seconds(self) -> float:
        """A worker not seen for this long no longer counts."""
        return self.lease_seconds * (WORKER_SEEN_SECONDS / LEASE_SECONDS)

    @property
    def beat_seconds(self) -> float:
        """Four renewals in a lease, so that three may fail."""
        return self.lease_seconds / 4


_HEARTBEAT = """
INSERT INTO SCHEMA.worker (worker_id, seen_at) VALUES ($1, clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET_DEAD = "DELETE FROM SCHEMA.worker WHERE seen_at < clock_timestamp() - make_interval(secs => 3600)"
_LIVE = "SELECT count(*) FROM SCHEMA.worker WHERE seen_at > clock_timestamp() - make_interval(secs => $1)"
_ENSURE = "INSERT INTO SCHEMA.lease (shard) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING"
_RENEW = """
UPDATE SCHEMA.lease SET expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE owner = $1 RETURNING shard, epoch, crashes
"""
# A batch under way holds its lease row FOR KEY SHARE: a renewal passes by it, whoever would take the shard does not.
_ACQUIRE = """
WITH free AS (
    SELECT shard FROM SCHEMA.lease WHERE owner IS NULL OR expires_at < clock_timestamp()
    ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE SCHEMA.lease l
SET owner = $1, epoch = l.epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $2),
    crashes = l.crashes + CASE WHEN l.owner IS NULL THEN 0 ELSE 1 END
FROM free WHERE l.shard = free.shard RETURNING l.shard, l.epoch, l.crashes
"""
# Frozen between the messages of one statement, a session is neither idle nor running, and no timeout of PostgreSQL 15
# takes its locks away soon. It is the same role's, which may therefore end it; a live worker would have renewed.
_END_FROZEN = """
SELECT pg_terminate_backend(a.pid) FROM SCHEMA.lease l
JOIN pg_stat_activity a ON a.application_name = $1 || l.owner::text
WHERE l.expires_at < clock_timestamp() - make_interval(secs => $2)
    AND a.usename = current_user AND a.datname = current_database()
"""
_RELEASE = """
UPDATE SCHEMA.lease SET owner = NULL, expires_at = '-infinity' WHERE owner = $1 AND shard = ANY($2::smallint[])
"""
_LEAVE = "DELETE FROM SCHEMA.worker WHERE worker_id = $1"
_FENCE = """
SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM SCHEMA.lease
WHERE shard = $1 AND epoch = $2 AND owner IS NOT NULL FOR KEY SHARE
"""
_FENCE_ALL = """
SELECT l.shard FROM SCHEMA.lease l
JOIN unnest($1::smallint[], $2::bigint[]) AS held(shard, epoch) USING (shard, epoch)
WHERE l.owner IS NOT NULL FOR KEY SHARE OF l
"""
_TRYING = "SELECT trying FROM SCHEMA.lease WHERE shard = $1"
_NOTE_TRYING = "UPDATE SCHEMA.lease SET trying = $3 WHERE shard = $1 AND epoch = $2 AND owner IS NOT NULL"
_TRUST = """
UPDATE SCHEMA.lease SET crashes = 0, trying = NULL WHERE shard = $1 AND epoch = $2 AND owner IS NOT NULL
"""


class LeaseTable:
    """The leases of one kind of worker: tables `lease` and `worker` of its schema, or those of a line behind.

    Args:
        schema: where the tables are.
        worker: how the sessions of such a worker are named, before its id.
        line: which of the lines it is.
    """

    def __init__(self, *, schema: Literal["projection", "reaction"], worker: str, line: LeaseLine = "") -> None:
        self._schema = schema
        self._worker = worker
        self._line = line

    def session_name(self, worker_id: UUID | None) -> str:
        """What a worker calls its sessions, for another to know them by; without a worker, how all such names begin."""
        return f"{self._worker} {worker_id or ''}"

    async def ensure(self, connection: Connection) -> None:
        """One row a shard; doing it again changes nothing."""
        await connection.execute(self._in(_ENSURE), SHARDS)

    async def heartbeat(self, connection: Connection, worker_id: UUID, times: LeaseTimes) -> int:
        """Say that this worker lives; how many do."""
        await connection.execute(self._in(_HEARTBEAT), worker_id)
        await connection.execute(self._in(_FORGET_DEAD))
        live: int = await connection.fetchval(self._in(_LIVE), times.seen_seconds)
        return live

    async def renew(self, connection: Connection, worker_id: UUID, times: LeaseTimes) -> dict[int, Lease]:
        """Renew what this worker still owns, by shard."""
        rows = await connection.fetch(self._in(_RENEW), worker_id, times.lease_seconds)
        return {row["shard"]: Lease(**dict(row), line=self._line) for row in rows}

    async def acquire(
        self, connection: Connection, worker_id: UUID, times: LeaseTimes, *, at_most: int
    ) -> dict[int, Lease]:
        """Take free or expired shards, each under a new epoch; whoever locks an expired one loses its sessions."""
        await connection.execute(self._in(_END_FROZEN), self.session_name(None), times.beat_seconds)
        rows = await connection.fetch(self._in(_ACQUIRE), worker_id, times.lease_seconds, at_most)
        return {row["shard"]: Lease(**dict(row), line=self._line) for row in rows}

    async def release(self, connection: Connection, worker_id: UUID, shards: Sequence[int]) -> None:
        """Give shards back, so that another worker need not wait for their expiry."""
        await connection.execute(self._in(_RELEASE), worker_id, list(shards))

    async def leave(self, connection: Connection, worker_id: UUID) -> None:
        """This worker ends."""
        await connection.execute(self._in(_LEAVE), worker_id)

    async def fence(self, connection: Connection, lease: Lease) -> float:
        """Hold the lease row until the transaction ends; for how many seconds it is still valid, below 0 when expired.

        Raises:
            LeaseLostError: another worker has the shard.
        """
        left_seconds: float | None = await connection.fetchval(self._in(_FENCE, lease.line), lease.shard, lease.epoch)
        if left_seconds is None:
            message = f"shard {lease.shard} is no longer leased under epoch {lease.epoch}"
            raise LeaseLostError(message)
        return left_seconds

    async def fence_all(self, connection: Connection, leases: Sequence[Lease]) -> frozenset[int]:
        """Hold these lease rows until the transaction ends; the shards that are still this worker's."""
        statement = self.fencing(leases[0].line if leases else None)
        rows = await connection.fetch(statement, [one.shard for one in leases], [one.epoch for one in leases])
        return frozenset(row["shard"] for row in rows)

    def fencing(self, line: LeaseLine | None = None) -> str:
        """What `fence_all` asks, as a part of a larger statement: of the shards `$1`, under the epochs `$2`."""
        return self._in(_FENCE_ALL, line)

    async def trying(self, connection: Connection, lease: Lease) -> str | None:
        """What the last careful worker of the shard was about to do."""
        noted: str | None = await connection.fetchval(self._in(_TRYING, lease.line), lease.shard)
        return noted

    async def note_trying(self, connection: Connection, lease: Lease, what: str) -> None:
        """Say what is about to be tried; it counts once this has been committed."""
        await connection.execute(self._in(_NOTE_TRYING, lease.line), lease.shard, lease.epoch, what)

    async def trust(self, connection: Connection, lease: Lease) -> None:
        """The shard was drained: what killed workers before is dealt with or was not in the log."""
        await connection.execute(self._in(_TRUST, lease.line), lease.shard, lease.epoch)

    def _in(self, statement: str, line: LeaseLine | None = None) -> str:
        # Names of this module's own choosing, nothing that came in.
        suffix = self._line if line is None else line
        named = statement.replace("SCHEMA.lease", f"{self._schema}.lease{suffix}")
        return named.replace("SCHEMA.worker", f"{self._schema}.worker{suffix}")
