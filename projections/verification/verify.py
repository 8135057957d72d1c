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
from projections.runtime.key_parts import KeyPart
from projections.runtime.skipping import skips_of
from projections.verification.cached_rows import CachedRows, CacheMismatch
from projections.verification.extra_rows import ExtraRow, ExtraRows
from projections.verification.refolding import Refolding
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.views import Key, encode_key

_ROWS_IN_MEMORY = 500_000
_ROWS_PER_FETCH = 2_000
_MAX_DIFFERENCES = 20
"""The first ones tell what is wrong; a million would only hide it."""
_MAX_SHOWN_BYTES = 500
_SNAPSHOT_SECONDS = 3_600.0
"""The snapshot waits, idle, while the log is folded."""
_FETCH_SECONDS = 60.0
"""A process that holds a fold in memory may stand still for longer than others wait for an answer."""

_COLUMNS = "c.tenant_id, c.name, c.version, c.build, c.mode, c.position, c.as_of, c.revision, c.rows, c.parked"
# What readers see: the active build, and those that were frozen for them.
_READ = """
FROM projection.checkpoint c LEFT JOIN read.active_build a USING (tenant_id, name, version, build)
WHERE (c.name, c.version) = ($1, $2) AND (a.build IS NOT NULL OR c.mode = 'frozen')
"""
_BUILDS = f"SELECT {_COLUMNS} {_READ} AND ($3::uuid IS NULL OR c.tenant_id = $3) ORDER BY c.tenant_id, c.build"
_ONE = f"SELECT {_COLUMNS} {_READ} AND (c.tenant_id, c.build) = ($3, $4)"
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
        extra_rows: ExtraRows | None = None,
        on_events: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> None:
        """Bind what stays the same for every projection.

        Args:
            log_pool: of the write database.
            read_pool: of the read database.
            catalog: this release's projections.
            cached_rows: None where Redis is away.
            extra_rows: looks for rows in Redis that nothing else has; None not to.
            on_events: is told how many events have been folded again, of how many.
        """
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._cached_rows = cached_rows
        self._extra_rows = extra_rows
        self._on_events = on_events

    async def verify(self, name: str, *, tenant_id: UUID | None = None) -> Verification:
        """Compare one projection's builds that are read, of all tenants or one.

        Raises:
            KeyError: this release has no projection of that name.
        """
        subject = self._catalog.subject(name)
        builds = await self._builds(subject, tenant_id)
        found = _Found()
        progress = _Progress(self._on_events, of=sum(_events(one) for one in builds))
        for one in builds:
            await self._verify_build(subject, one, found, progress)
        if self._extra_rows is not None and subject.projection.view.body is not None:
            found.add_extra(await self._extra_rows.find(subject, tenant_id=tenant_id))
        return Verification(
            name=subject.name,
            version=subject.version,
            identical=not found.differences,
            tenants=len({one.tenant_id for one in builds}),
            rows=found.rows,
            cached_rows=found.cached_rows,
            parked=found.parked,
            differences=tuple(found.differences),
        )

    async def _builds(self, subject: Subject, tenant_id: UUID | None) -> list[Checkpoint]:
        async with transaction(self._read_pool, tenant_id=None) as connection:
            rows = await connection.fetch(_BUILDS, subject.name, subject.version, tenant_id)
        return [Checkpoint(**dict(row)) for row in rows]

    async def _verify_build(self, subject: Subject, build: Checkpoint, found: "_Found", progress: "_Progress") -> None:
        tenant_id = build.tenant_id
        timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{int(_SNAPSHOT_SECONDS)}s'"
        async with transaction(self._read_pool, begin=BEGIN_SNAPSHOT, tenant_id=None, preamble=timeout) as connection:
            row = await connection.fetchrow(_ONE, subject.name, subject.version, tenant_id, build.build)
            if row is None:  # nobody reads it any more
                return
            checkpoint = Checkpoint(**dict(row))
            parked = {one["key"]: one["first_position"] for one in await connection.fetch(_PARKED, *checkpoint.id)}
            found.parked += checkpoint.parked
            skips = await skips_of(connection, self._catalog, [tenant_id], name=subject.name)
            refolding = Refolding(self._log_pool, subject, tenant_id, parked_from=parked, skips=skips)
            parts = _parts(checkpoint)
            for number in range(parts):
                part = KeyPart(number=number, of=parts)
                refold = await refolding.refold(until=checkpoint.position, part=part, on_position=progress.at)
                progress.add(checkpoint.position)
                found.rows += len(refold.rows)
                found.add([_failing(tenant_id, key, error) for key, error in refold.failures.items()])
                await self._compare_cache(subject, checkpoint, refold.rows, found)
                table = _Table(connection=connection, subject=subject, checkpoint=checkpoint)
                found.add(await table.compare(part, refold.rows))

    async def _compare_cache(
        self, subject: Subject, checkpoint: Checkpoint, folded: dict[Key, AnyStoredRow], found: "_Found"
    ) -> None:
        if self._cached_rows is None or subject.projection.view.body is None or checkpoint.mode == "frozen":
            return
        comparison = await self._cached_rows.compare(subject, checkpoint, folded)
        found.cached_rows += comparison.compared
        found.add([_in_redis(checkpoint.tenant_id, one) for one in comparison.mismatches])


def _parts(checkpoint: Checkpoint) -> int:
    return 1 + checkpoint.rows // _ROWS_IN_MEMORY


def _events(checkpoint: Checkpoint) -> int:
    """How many events verifying it folds."""
    return _parts(checkpoint) * checkpoint.position


class _Progress:
    """How many events have been folded, over all builds."""

    def __init__(self, on_events: Callable[[int, int], None], *, of: int) -> None:
        self._on_events = on_events
        self._done = 0
        self._of = of

    def at(self, position: int) -> None:
        """The fold under way has come to this position."""
        self._on_events(self._done + position, max(self._of, self._done + position))

    def add(self, events: int) -> None:
        """A fold is done."""
        self._done += events


class _Found:
    """What has been found so far, tenant after tenant."""

    def __init__(self) -> None:
        self.rows = 0
        self.cached_rows = 0
        self.parked = 0
        self.differences: list[Difference] = []

    def add(self, differences: Sequence[Difference]) -> None:
        """Keep them, as far as they will be shown."""
        self.differences += differences[: _MAX_DIFFERENCES - len(self.differences)]

    def add_extra(self, rows: Sequence[ExtraRow]) -> None:
        """Rows that Redis has too many, but for those that are wrong in other ways as well."""
        known = {(one.tenant_id, one.key) for one in self.differences}
        self.add([_extra(one) for one in rows if (one.tenant_id, one.key) not in known])


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
        rows = self._connection.cursor(
            self._codec.select_all, self._tenant_id, self._build, prefetch=_ROWS_PER_FETCH, timeout=_FETCH_SECONDS
        )
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
        if should is None:
            return [_whole(self._tenant_id, key, table="a row", fold=None)]
        pairs = [*_pairs(stands, should), ("document", *(self._codec.documents(record, should.row) or (None, None)))]
        return [
            Difference(tenant_id=self._tenant_id, key=encode_key(key), column=column, table=table, fold=fold)
            for column, table, fold in pairs
            if table != fold
        ]


def _whole(tenant_id: UUID, key: Key, *, table: str | None, fold: str | None) -> Difference:
    return Difference(tenant_id=tenant_id, key=encode_key(key), column="*", table=table, fold=fold)


def _failing(tenant_id: UUID, key: str, error: str) -> Difference:
    return Difference(
        tenant_id=tenant_id, key=key, column="*", table="a row that is not parked", fold=summary_of(error)
    )


def _pairs(stands: AnyStoredRow, should: AnyStoredRow) -> list[tuple[str, object, object]]:
    """What differs at all, column by column: as it stands and as it should."""
    if stands == should:
        return []
    before, after = msgspec.structs.asdict(stands.row), msgspec.structs.asdict(should.row)
    return [
        *((column, value, after[column]) for column, value in before.items()),
        ("position", stands.position, should.position),
    ]


def _in_redis(tenant_id: UUID, mismatch: CacheMismatch) -> Difference:
    return Difference(
        tenant_id=tenant_id, key=mismatch.key, column="redis", table=mismatch.stands, fold=mismatch.should
    )


def _extra(row: ExtraRow) -> Difference:
    stands = f"{row.stands[:_MAX_SHOWN_BYTES]!r}"
    return Difference(tenant_id=row.tenant_id, key=row.key, column="redis", table=stands, fold=None)
