"""Comparing a projection's rows with a fresh fold, online: each tenant in one REPEATABLE READ snapshot, blocking nobody."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import AnyStoredRow
from projections.verification.cached_rows import CachedRows, CacheMismatch
from projections.verification.refolding import KeyPart, refold
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.views import Key, encode_key

_ROWS_IN_MEMORY = 200_000
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


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One column of one row that is not what the log says. `table` is what stands there, `fold` what should.

    For a whole row too many or too few, `column` is `*` and the side that lacks it null; a row in Redis has the column
    `redis`.
    """

    tenant_id: UUID
    key: str
    column: str
    table: Any
    fold: Any


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found; `identical` means no difference in any row of any tenant."""

    name: str
    version: int
    identical: bool
    tenants: int
    rows: int
    cached_rows: int
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
        differences: list[Difference] = []
        rows = cached = 0
        for done, tenant in enumerate(tenants):
            found = await self._verify_tenant(subject, tenant, differences)
            rows, cached = rows + found[0], cached + found[1]
            self._on_tenant(done + 1, len(tenants))
        return Verification(
            name=subject.name,
            version=subject.version,
            identical=not differences,
            tenants=len(tenants),
            rows=rows,
            cached_rows=cached,
            differences=tuple(differences[:_MAX_DIFFERENCES]),
        )

    async def _tenants(self, subject: Subject, tenant_id: UUID | None) -> Sequence[UUID]:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            active = await connection.fetch(_ACTIVE, subject.name, subject.version, tenant_id)
        return [row["tenant_id"] for row in active]

    async def _verify_tenant(self, subject: Subject, tenant_id: UUID, differences: list[Difference]) -> tuple[int, int]:
        timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{int(_SNAPSHOT_SECONDS)}s'"
        async with transaction(self._read_pool, begin=BEGIN_SNAPSHOT, tenant_id=None, preamble=timeout) as connection:
            row = await connection.fetchrow(_ACTIVE, subject.name, subject.version, tenant_id)
            if row is None:
                return 0, 0
            checkpoint = Checkpoint(**dict(row))
            parts = 1 + checkpoint.rows // _ROWS_IN_MEMORY
            rows = cached = 0
            for number in range(parts):
                part = KeyPart(number=number, of=parts)
                folded = await refold(
                    self._log_pool, subject.projection, tenant_id, until=checkpoint.position, part=part
                )
                rows += len(folded)
                if self._cached_rows is not None and subject.projection.view.body is not None:
                    found = await self._cached_rows.compare(subject, checkpoint, folded)
                    cached += found.compared
                    differences += [_in_redis(tenant_id, one) for one in found.mismatches]
                differences += await _compare_table(connection, subject, checkpoint, part, folded)
        return rows, cached


async def _compare_table(
    connection: Connection,
    subject: Subject,
    checkpoint: Checkpoint,
    part: KeyPart,
    folded: dict[Key, AnyStoredRow],
) -> list[Difference]:
    """The differences of one part, taking each row that stands in the table out of `folded`; what remains is missing."""
    tenant_id, codec = checkpoint.tenant_id, subject.codec
    differences: list[Difference] = []
    async for record in connection.cursor(codec.select_all, tenant_id, checkpoint.build, prefetch=_ROWS_PER_FETCH):
        key = codec.key_of_record(record)[1]
        if part.holds(key):
            differences += _compare_row(tenant_id, key, codec.decode(record), folded.pop(key, None))
    for key in folded:
        missing = Difference(tenant_id=tenant_id, key=encode_key(key), column="*", table=None, fold="a row")
        differences.append(missing)
    return differences


def _compare_row(tenant_id: UUID, key: Key, stands: AnyStoredRow, should: AnyStoredRow | None) -> list[Difference]:
    name = encode_key(key)
    if should is None:
        return [Difference(tenant_id=tenant_id, key=name, column="*", table="a row", fold=None)]
    if stands == should:
        return []
    before, after = msgspec.structs.asdict(stands.row), msgspec.structs.asdict(should.row)
    pairs = [(column, value, after[column]) for column, value in before.items()]
    pairs.append(("position", stands.position, should.position))
    return [
        Difference(tenant_id=tenant_id, key=name, column=column, table=table, fold=fold)
        for column, table, fold in pairs
        if table != fold
    ]


def _in_redis(tenant_id: UUID, mismatch: CacheMismatch) -> Difference:
    return Difference(
        tenant_id=tenant_id, key=mismatch.key, column="redis", table=mismatch.stands, fold=mismatch.should
    )
