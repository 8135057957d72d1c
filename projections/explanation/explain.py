"""The events behind one row, in order, each with what it changed; and whether they make the row that stands."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Literal
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded
from projections.runtime.catalog import AnyProjection, Catalog, Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.describing import describe, summary_of
from projections.runtime.folding import Unreadable, name_of
from projections.runtime.rows import load_rows
from projections.runtime.skipping import skips_of
from projections.runtime.touch_index import BLOCK_EVENTS, catch_up, legible, positions_of
from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.log.reader import StoredEvent, Want, fetch, fetch_positions
from shared_kernel.views import WHOLE_TENANT, Key, encode_key

_POSITIONS_AT_A_TIME = 500

_ACTIVE = """
SELECT c.tenant_id, c.name, c.version, c.build, c.mode, c.position, c.as_of, c.revision, c.rows, c.parked
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE (a.tenant_id, a.name, a.version) = ($1, $2, $3)
"""
_PARKED_FROM = """
SELECT min(first_position) FROM projection.parked_key
WHERE (tenant_id, name, version, build) = ($1, $2, $3, $4) AND key = ANY($5::text[])
"""

Effect = Literal["created", "changed", "nothing", "deleted", "skipped", "waiting", "failed", "unreadable"]


class ColumnChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an event made of one column; before a row was there, and after it is gone, null."""

    column: str
    before: Any  # Any: values of every type
    after: Any


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one event did to the row.

    Attributes:
        effect: `nothing` where the row stayed as it was; `skipped` where an operator left the event out; `waiting`
            where the row is parked at it or before; `failed` and `unreadable` where it is not, and why is in `error`.
    """

    position: int
    type: str
    at: datetime
    actor: str | None
    effect: Effect
    columns: tuple[ColumnChange, ...] = ()
    error: str | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a row is as it is.

    Attributes:
        position: up to which the view shows the log.
        events: how many touched the row; `changes` may be the last of them only.
        events_read: how many were read from the log to say so.
        identical: whether the row that stands is the one these events make.
    """

    name: str
    version: int
    build: int
    tenant_id: UUID
    key: str
    position: int
    events: int
    events_read: int
    changes: tuple[Change, ...]
    row: dict[str, Any] | None  # Any: as above
    identical: bool


class NothingTouchedError(LookupError):
    """No event of the tenant touches such a key, or the projection has not seen the tenant."""


class Explainer:
    """Explains rows with a projector's right to read, and to bring the index up to date.

    Who may not write (`keeps_index=False`) reads what no block holds yet from the log, however much that is.
    """

    def __init__(
        self,
        *,
        log_pool: Pool,
        read_pool: Pool,
        catalog: Catalog,
        on_indexed: Callable[[int, int], None] = lambda _done, _of: None,
        keeps_index: bool = True,
    ) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._on_indexed = on_indexed
        self._keeps_index = keeps_index

    async def explain(self, name: str, key: str, *, tenant_id: UUID, limit: int) -> Explanation:
        """The events behind the row of the build that is read.

        Args:
            name: the projection's.
            key: as `encode_key` writes it, and `verify` and dead letters call it.
            tenant_id: whose row.
            limit: changes to keep, the last ones.

        Raises:
            KeyError: this release has no projection of that name.
            NothingTouchedError: there is nothing to explain.
        """
        subject = self._catalog.subject(name)
        if self._keeps_index:
            await self._index(subject, tenant_id)
        async with transaction(self._read_pool, begin=BEGIN_SNAPSHOT, tenant_id=None) as connection:
            checkpoint = await _active(connection, subject, tenant_id)
            history = _History(subject.projection, key, limit=limit)
            history.skipped = {
                one.position
                for one in await skips_of(connection, self._catalog, [tenant_id], name=name)
                if one.key in {WHOLE_TENANT, history.name}
            }
            history.parked_from = await connection.fetchval(_PARKED_FROM, *checkpoint.id, [WHOLE_TENANT, history.name])
            known, indexed = await positions_of(connection, tenant_id, subject, key)
            async for stored in self._events(tenant_id, known, indexed, until=checkpoint.position):
                history.add(stored)
            if history.key is None:
                raise NothingTouchedError(f"no event up to position {checkpoint.position} touches {key} in {name}")
            stands = (await load_rows(connection, subject, checkpoint.build_id, [(tenant_id, history.key)])).values()
        row = next((None if isinstance(one, Unreadable) else one.row for one in stands), None)
        return history.explanation(checkpoint, identical=row == history.row and not history.is_broken)

    async def _index(self, subject: Subject, tenant_id: UUID) -> None:
        """Bring the index up to what the view shows; at most a block of events is left to be read as they are."""
        async with transaction(self._read_pool, tenant_id=None) as connection:
            until = (await _active(connection, subject, tenant_id)).position
        pools = {"log_pool": self._log_pool, "read_pool": self._read_pool}
        # Bounded: each turn indexes at least one of the log's blocks up to `until`.
        while (at := await catch_up(**pools, tenant_id=tenant_id, subjects=[subject], until=until)) is not None:
            self._on_indexed(at, until)

    async def _events(
        self, tenant_id: UUID, known: Sequence[int], indexed: int, *, until: int
    ) -> AsyncIterator[StoredEvent]:
        """The events at the known positions, then all that no block holds yet."""
        shown = (position for position in known if position <= until)
        while some := list(islice(shown, _POSITIONS_AT_A_TIME)):
            async with transaction(self._log_pool, tenant_id=None) as connection:
                found = await fetch_positions(connection, tenant_id, some)
            for one in found:
                yield one
        while indexed < until:  # bounded: catching up has left less than a block, and what was recorded meanwhile
            want = Want(tenant_id=tenant_id, after=indexed, until=until, limit=BLOCK_EVENTS)
            async with transaction(self._log_pool, tenant_id=None) as connection:
                tail = await fetch(connection, [want])
            if not tail:
                return
            for one in tail:
                yield one
            indexed = tail[-1].position


class _History:
    """One row, folded event by event."""

    def __init__(self, projection: AnyProjection, key: str, *, limit: int) -> None:
        self._projection = projection
        self._text = key
        self._changes: deque[Change] = deque(maxlen=limit)
        self._events = 0
        self._read = 0
        self.skipped: set[int] = set()
        self.parked_from: int | None = None
        self.key: Key | None = None
        self.row: msgspec.Struct | None = None
        self.is_broken = False

    @property
    def name(self) -> str:
        """What parked and skipped keys call it, which is the text itself unless that is very long."""
        return name_of(self._text)

    def add(self, stored: StoredEvent) -> None:
        """The next event that may touch the row."""
        self._read += 1
        recorded = legible(stored)
        if recorded is None:
            self._note(stored, "skipped" if stored.position in self.skipped else "unreadable")
            return
        try:
            parts = list(self._parts(recorded))
        except Exception as error:  # noqa: BLE001 - accounted for: the event is shown with it
            self._note(stored, "failed", error=summary_of(describe(error)))
            return
        if parts:
            self._fold(stored, recorded, parts)

    def explanation(self, checkpoint: Checkpoint, *, identical: bool) -> Explanation:
        """What has been found."""
        return Explanation(
            name=checkpoint.name,
            version=checkpoint.version,
            build=checkpoint.build,
            tenant_id=checkpoint.tenant_id,
            key=self._text,
            position=checkpoint.position,
            events=self._events,
            events_read=self._read,
            changes=tuple(self._changes),
            row=None if self.row is None else msgspec.structs.asdict(self.row),
            identical=identical,
        )

    def _parts(self, recorded: AnyRecorded) -> Iterator[Any]:  # Any: parts are the projection's own
        if type(recorded.event) not in self._projection.handles:
            return
        for key, part in self._projection.touches(recorded):
            if encode_key(key) == self._text:
                self.key = key
                yield part

    def _fold(self, stored: StoredEvent, recorded: AnyRecorded, parts: Sequence[Any]) -> None:
        if stored.position in self.skipped:
            self._note(stored, "skipped", recorded=recorded)
            return
        if self.parked_from is not None and stored.position >= self.parked_from:
            self._note(stored, "waiting", recorded=recorded)
            return
        before = self.row
        try:
            for part in parts:
                self.row = self._projection.evolve(self.row, part, recorded)
        except Exception as error:  # noqa: BLE001 - accounted for: the event is shown with it
            self.row, self.is_broken = before, True
            self._note(stored, "failed", recorded=recorded, error=summary_of(describe(error)))
            return
        effect, columns = _difference(before, self.row)
        self._note(stored, effect, recorded=recorded, columns=columns)

    def _note(
        self,
        stored: StoredEvent,
        effect: Effect,
        *,
        recorded: AnyRecorded | None = None,
        columns: tuple[ColumnChange, ...] = (),
        error: str | None = None,
    ) -> None:
        self._events += 1
        self._changes.append(
            Change(
                position=stored.position,
                type=stored.type,
                at=stored.recorded_at,
                actor=None if recorded is None else recorded.metadata.actor,
                effect=effect,
                columns=columns,
                error=error,
            )
        )


def _difference(before: msgspec.Struct | None, after: msgspec.Struct | None) -> tuple[Effect, tuple[ColumnChange, ...]]:
    if before == after:
        return "nothing", ()
    old: Mapping[str, Any] = {} if before is None else msgspec.structs.asdict(before)
    new: Mapping[str, Any] = {} if after is None else msgspec.structs.asdict(after)
    columns = tuple(
        ColumnChange(column=column, before=old.get(column), after=new.get(column))
        for column in (new or old)
        if old.get(column) != new.get(column)
    )
    return ("created" if before is None else "deleted" if after is None else "changed"), columns


async def _active(connection: Connection, subject: Subject, tenant_id: UUID) -> Checkpoint:
    row = await connection.fetchrow(_ACTIVE, tenant_id, subject.name, subject.version)
    if row is None:
        raise NothingTouchedError(f"{subject.label} has not seen this store yet")
    return Checkpoint(**dict(row))
