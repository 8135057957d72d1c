"""Keys that wait: tried again when their time has come, or when an operator asks; and events skipped for good."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec
import structlog

from projections.runtime import leases, parking
from projections.runtime.catalog import Catalog
from projections.runtime.leases import Lease
from projections.runtime.parking import ParkedKey
from projections.runtime.retrying import Healed, Retry
from projections.runtime.skipping import Skips
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import transaction

_AT_A_TIME = 20
"""Keys, and requests, that one look takes on: the shard's other work comes between two looks."""

log = structlog.get_logger()

_ASKED = """
SELECT id, kind, only_tenant, (options->>'dead_letter')::uuid AS dead_letter, options->>'why' AS why, requested_by,
    state
FROM projection.request
WHERE kind IN ('retry', 'skip') AND state IN ('requested', 'running') AND only_tenant = ANY($1::uuid[])
    AND (name, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
ORDER BY requested_at LIMIT $4
"""
_BEGIN = "UPDATE projection.request SET state = 'running', started_at = clock_timestamp() WHERE id = $1"
_END = """
UPDATE projection.request
SET state = CASE WHEN $2::text IS NULL THEN 'done' ELSE 'failed' END, error = $2, finished_at = clock_timestamp()
WHERE id = $1
"""
# Nobody looks at a shard's requests in which no key waits any more; and a worker may end between a heal and its answer.
_END_LOST = """
UPDATE projection.request r
SET state = CASE WHEN r.state = 'running' THEN 'done' ELSE 'failed' END, finished_at = clock_timestamp(),
    error = CASE WHEN r.state = 'requested' THEN CASE WHEN k.id IS NULL THEN $1 ELSE $2 END END
FROM projection.request q LEFT JOIN projection.parked_key k ON k.id = (q.options->>'dead_letter')::uuid
WHERE q.id = r.id AND r.kind IN ('retry', 'skip') AND r.state IN ('requested', 'running') AND r.state = q.state
    AND CASE r.state
    WHEN 'requested' THEN k.id IS NULL OR (r.requested_at < clock_timestamp() - make_interval(secs => $3)
        AND NOT EXISTS (SELECT FROM projection.release l, unnest(l.names, l.versions) AS v(name, version)
            WHERE l.seen_at > clock_timestamp() - make_interval(secs => $3)
                AND (v.name, v.version) = (r.name, r.version)))
    WHEN 'running' THEN k.id IS NULL AND r.started_at < clock_timestamp() - make_interval(secs => $3)
    ELSE false END
"""
_ERROR_OF = "SELECT error FROM projection.parked_key WHERE id = $1"

_GONE = "it waits no more: it was healed meanwhile, or its build was dropped"
_NOBODY = "no release that runs has such a projection or version"
_NOT_DEAD = "it is not dead: it is still being tried by itself"
_LOST_SECONDS = 60.0
"""Another release may come back in it, and an attempt ends in it: its statements are broken off sooner."""
_INTERRUPTED = "the projector ended while trying; ask again"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks of one dead letter: a `retry`, or a `skip` and why."""

    id: UUID
    kind: str
    only_tenant: UUID
    dead_letter: UUID
    why: str | None
    requested_by: str
    state: str


async def end_lost(connection: Connection) -> None:
    """Answer requests that no shard's look will: of keys that wait no more, and of versions that nobody runs."""
    await connection.execute(_END_LOST, _GONE, _NOBODY, _LOST_SECONDS)


class Healing:
    """One shard's parked keys."""

    def __init__(self, *, log_pool: Pool, read_pool: Pool, catalog: Catalog, lease: Lease, skips: Skips) -> None:
        self._read_pool = read_pool
        self._labels = [(subject.name, subject.version) for subject in catalog.subjects]
        self._lease = lease
        self._skips = skips
        self._retry = Retry(log_pool=log_pool, read_pool=read_pool, catalog=catalog, lease=lease, skips=skips)

    async def look(self, tenants: Sequence[UUID]) -> AsyncIterator[Healed]:
        """Do what operators ask and try what is due; gives each success, whose tenant must then be loaded again.

        Raises:
            LeaseLostError: another worker has the shard.
            CheckpointMovedError: a build went meanwhile.
        """
        for asked in await self._asked(tenants):
            healed = await self._carry_out(asked)
            if healed is not None:
                yield healed
                await self._end(asked, None)  # once Redis has it too
        async with transaction(self._read_pool, tenant_id=None) as connection:
            due = await parking.due(connection, tenants, self._labels, limit=_AT_A_TIME)
        for parked in due:
            healed = await self._retry.attempt(parked)
            if healed is not None:
                yield healed

    async def _asked(self, tenants: Sequence[UUID]) -> list[Asked]:
        names, versions = [name for name, _ in self._labels], [version for _, version in self._labels]
        async with transaction(self._read_pool, tenant_id=None) as connection:
            rows = await connection.fetch(_ASKED, list(tenants), names, versions, _AT_A_TIME)
        return [Asked(**dict(row)) for row in rows]

    async def _carry_out(self, asked: Asked) -> Healed | None:
        if asked.state == "running":  # begun by a worker that is no more: this shard is worked on by one at a time
            async with transaction(self._read_pool, tenant_id=None) as connection:
                waits = await parking.find(connection, asked.dead_letter) is not None
            await self._end(asked, _INTERRUPTED if waits else None)
            return None
        parked = await self._begin(asked)
        if parked is None:
            return None
        if asked.kind == "skip":
            async with transaction(self._read_pool, tenant_id=None) as connection:
                await self._skips.load(connection, [parked.tenant_id])
            return None
        healed = await self._retry.attempt(parked)
        if healed is None:
            async with transaction(self._read_pool, tenant_id=None) as connection:
                error = await connection.fetchval(_ERROR_OF, asked.dead_letter)
            await self._end(asked, f"it failed again: {error}")
        return healed

    async def _begin(self, asked: Asked) -> ParkedKey | None:
        """The dead key, the request on it begun, a skip done; None where the request came too late."""
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease)
            parked = await parking.find(connection, asked.dead_letter)
            refusal = _GONE if parked is None else _NOT_DEAD if parked.state != "dead" else None
            if parked is None or refusal is not None:
                await connection.execute(_END, asked.id, refusal)
                parked = None
            elif asked.kind == "skip":
                await self._skip(connection, asked, parked)
            else:
                await connection.execute(_BEGIN, asked.id)
            await connection.execute("COMMIT")
        return parked

    async def _skip(self, connection: Connection, asked: Asked, parked: ParkedKey) -> None:
        await parking.skip(connection, parked, why=asked.why or "", skipped_by=asked.requested_by)
        await connection.execute(_END, asked.id, None)
        log.warning(
            "event_skipped", projection=parked.name, version=parked.version, tenant=str(parked.tenant_id),
            position=parked.first_position, requested_by=asked.requested_by,
        )  # fmt: skip

    async def _end(self, asked: Asked, error: str | None) -> None:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            await connection.execute(_END, asked.id, error)
            await connection.execute("COMMIT")
