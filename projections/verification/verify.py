"""Comparing a projection's rows with a fresh fold, online: each tenant in one snapshot, blocking nobody."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.describing import describe, summary_of
from projections.runtime.folding import AnyStoredRow
from projections.runtime.skipping import skips_of
from projections.verification.cached_rows import CachedRows, CacheMismatch
from projections.verification.refolding import KeyPart, Refolding
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.views import Key, encode_key

_ROWS_IN_MEMORY = 500_000
_ROWS_PER_FETCH = 2_000
_MAX_DIFFERENCES = 20
"""The first ones tell what is wrong; a million would only hide it."""
_SNAPSHOT_SECONDS = 3_600.0
"""The snapshot waits, idle, while the log is folded."""

_ACTIVE = """
SELECT c.tenant_id, c.name, c.version, c.build, c.mode, c.position, c.as_of, c.revision, c.rows, c.parked
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE (a.name, a.version) = ($1, $2) AND ($3::uuid IS NULL OR a.tenant_id = $3)
ORDER BY c.tenant_id
"""
_PARKED = """
SELECT key, first_position FROM projection.parked_key
WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4) AND key <> '*'
"""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One column of one row that is not what the log says. `table` is what stands there, `fold` what should.

    For a whole row too many or too few, `column` is `*` and the side that lacks it null; a row in Redis has the column
    `redis`; of a key whose fold fails, `fold` says why.
    """

    tenant_id: UUID
    key: str
    column: str
    table: Any
    fold: Any


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found; `identical` means no difference in any row of any tenant.

    Rows of the `parked` keys are compared with the fold up to the event that they wait at.
    """

    name: str
    version: int
    identical: bool
    tenants: int
    rows: int
    cached_rows: int
    parked: int
    differences: tuple[Difference, ...]


class Verifier:
    """Verifies projections of this release with a projector's right to read."""

    def __init__(
        self,
        *,
        log_pool: Pool,
        read_pool: Pool,
        catalog: Catalog,
        cached_rows: CachedRows | None,
        on_tenant: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._cached_rows = cached_rows
        self._on_tenant = on_tenant

    async def verify(self, name: str, *, tenant_id: UUID | None = None) -> Verification:
        """Compare one projection's active builds, of all tenants or one.

        Raises:
            KeyError: this release has no projection of that name.
        """
        subject = self._catalog.subject(name)
        tenants = await self._tenants(subject, tenant_id)
        found = _Found()
        for done, tenant in enumerate(tenants):
            await self._verify_tenant(subject, tenant, found)
            self._on_tenant(done + 1, len(tenants))
        return Verification(
            name=subject.name,
            version=subject.version,
            identical=not found.differences,
            tenants=len(tenants),
            rows=found.rows,
            cached_rows=found.cached_rows,
            parked=found.parked,
            differences=tuple(found.differences[:_MAX_DIFFERENCES]),
        )

    async def _tenants(self, subject: Subject, tenant_id: UUID | None) -> Sequence[UUID]:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            active = await connection.fetch(_ACTIVE, subject.name, subject.version, tenant_id)
        return [row["tenant_id"] for row in active]

    async def _verify_tenant(self, subject: Subject, tenant_id: UUID, found: "_Found") -> None:
        timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{int(_SNAPSHOT_SECONDS)}s'"
        async with transaction(self._read_pool, begin=BEGIN_SNAPSHOT, tenant_id=None, preamble=timeout) as connection:
            row = await connection.fetchrow(_ACTIVE, subject.name, subject.version, tenant_id)
            if row is None:
                return
            checkpoint = Checkpoint(**dict(row))
            parked = {one["key"]: one["first_position"] for one in await connection.fetch(_PARKED, *checkpoint.id)}
            found.parked += checkpoint.parked
            skips = await skips_of(connection, self._catalog, [tenant_id], name=subject.name)
            refolding = Refolding(self._log_pool, subject, tenant_id, parked_from=parked, skips=skips)
            parts = 1 + checkpoint.rows // _ROWS_IN_MEMORY
            for number in range(parts):
                part = KeyPart(number=number, of=parts)
                refold = await refolding.refold(until=checkpoint.position, part=part)
                found.rows += len(refold.rows)
                found.differences += [_failing(tenant_id, key, error) for key, error in refold.failures.items()]
                await self._compare_cache(subject, checkpoint, refold.rows, found)
                table = _Table(connection=connection, subject=subject, checkpoint=checkpoint)
                found.differences += await table.compare(part, refold.rows)

    async def _compare_cache(
        self, subject: Subject, checkpoint: Checkpoint, folded: dict[Key, AnyStoredRow], found: "_Found"
    ) -> None:
        if self._cached_rows is None or subject.projection.view.body is None:
            return
        comparison = await self._cached_rows.compare(subject, checkpoint, folded)
        found.cached_rows += comparison.compared
        found.differences += [_in_redis(checkpoint.tenant_id, one) for one in comparison.mismatches]


class _Found:
    """What has been found so far, tenant after tenant."""

    def __init__(self) -> None:
        self.rows = 0
        self.cached_rows = 0
        self.parked = 0
        self.differences: list[Difference] = []


class _Table:
    """One tenant's rows of one build, as the snapshot shows them."""

    def __init__(self, *, connection: Connection, subject: Subject, checkpoint: Checkpoint) -> None:
        self._connection = connection
        self._codec = subject.codec
        self._tenant_id = checkpoint.tenant_id
        self._build = checkpoint.build

    async def compare(self, part: KeyPart, folded: dict[Key, AnyStoredRow]) -> list[Difference]:
        """The differences of one part; what stands in the table is taken out of `folded`, and the rest is missing."""
        differences: list[Difference] = []
        rows = self._connection.cursor(self._codec.select_all, self._tenant_id, self._build, prefetch=_ROWS_PER_FETCH)
        async for record in rows:
            key = self._codec.key_of_record(record)[1]
            if part.holds(key):
                differences += self._compare_record(key, record, folded.pop(key, None))
        for key in folded:
            differences.append(_whole(self._tenant_id, key, table=None, fold="a row"))
        return differences

    def _compare_record(self, key: Key, record: Record, should: AnyStoredRow | None) -> list[Difference]:
        try:
            stands = self._codec.decode(record)
        except (msgspec.MsgspecError, TypeError) as error:
            return [_whole(self._tenant_id, key, table=f"cannot be read: {summary_of(describe(error))}", fold="a row")]
        return _compare_row(self._tenant_id, key, stands, should)


def _whole(tenant_id: UUID, key: Key, *, table: str | None, fold: str | None) -> Difference:
    return Difference(tenant_id=tenant_id, key=encode_key(key), column="*", table=table, fold=fold)


def _failing(tenant_id: UUID, key: str, error: str) -> Difference:
    return Difference(
        tenant_id=tenant_id, key=key, column="*", table="a row that is not parked", fold=summary_of(error)
    )


def _compare_row(tenant_id: UUID, key: Key, stands: AnyStoredRow, should: AnyStoredRow | None) -> list[Difference]:
    if should is None:
        return [_whole(tenant_id, key, table="a row", fold=None)]
    if stands == should:
        return []
    before, after = msgspec.structs.asdict(stands.row), msgspec.structs.asdict(should.row)
    pairs = [(column, value, after[column]) for column, value in before.items()]
    pairs.append(("position", stands.position, should.position))
    return [
        Difference(tenant_id=tenant_id, key=encode_key(key), column=column, table=table, fold=fold)
        for column, table, fold in pairs
        if table != fold
    ]


def _in_redis(tenant_id: UUID, mismatch: CacheMismatch) -> Difference:
    return Difference(
        tenant_id=tenant_id, key=mismatch.key, column="redis", table=mismatch.stands, fold=mismatch.should
    )
