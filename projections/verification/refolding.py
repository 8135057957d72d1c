"""Folding a tenant's log from the beginning, in memory, keeping one part of the keys at a time."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from projections.runtime.catalog import Subject
from projections.runtime.folding import (
    AnyStoredRow,
    RowKey,
    Touches,
    Unreadable,
    fold,
    key_name,
    read_events,
    scan,
)
from projections.runtime.key_parts import KeyPart
from projections.runtime.skipping import Skip, skipping, whole_events
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import lent
from shared_kernel.log.reader import Want, fetch_types
from shared_kernel.views import Key

_EVENTS_PER_FETCH = 500


class Refold(msgspec.Struct, frozen=True, kw_only=True):
    """What the log makes of a projection.

    Attributes:
        rows: by key.
        failures: keys whose fold failed though they are not parked, and why; `*` where the whole tenant's did.
    """

    rows: dict[Key, AnyStoredRow]
    failures: dict[str, str]


class Refolding:
    """Folds one tenant's log for one projection."""

    def __init__(
        self,
        pool: Pool,
        subject: Subject,
        tenant_id: UUID,
        *,
        parked_from: Mapping[str, int],
        skips: Sequence[Skip] = (),
    ) -> None:
        """Bind what stays the same for every part.

        Args:
            pool: of the log.
            subject: which projection.
            tenant_id: whose log.
            parked_from: names of parked keys, each with the first position that its row must not show.
            skips: of this projection and tenant, which no fold shows.
        """
        self._pool = pool
        self._projection = skipping(subject.projection, skips)
        self._unread = whole_events(skips)
        self._tenant_id = tenant_id
        self._parked_from = parked_from
        # What a projection does not handle cannot touch its rows: most of a log need not even be read for most of them.
        self._types = sorted(kind.__name__ for kind in subject.projection.handles)

    async def refold(self, *, until: int, part: KeyPart, on_position: Callable[[int], None]) -> Refold:
        """The rows of one part of the keys, as the log up to and including position `until` makes them.

        Args:
            until: the last position.
            part: of the keys.
            on_position: is told how far it is, now and then.
        """
        rows: dict[RowKey, AnyStoredRow] = {}
        failures: dict[str, str] = {}
        after = 0
        while after < until:
            # No transaction: each statement sees what is there, and a machine that is slow cannot leave one idle.
            async with lent(self._pool) as connection:
                want = Want(tenant_id=self._tenant_id, after=after, until=until, limit=_EVENTS_PER_FETCH)
                stored = await fetch_types(connection, want, self._types)
            if not stored:
                break
            scanned = scan(self._projection, read_events(stored, self._unread).values(), {self._tenant_id: after})
            self._apply(self._shown(scanned.touches, part), rows, failures)
            if scanned.stopped:
                failures["*"] = scanned.stopped[self._tenant_id].error
                break
            after = stored[-1].position
            on_position(after)
        return Refold(rows={key: stored_row for (_, key), stored_row in rows.items()}, failures=failures)

    def _shown(self, touches: Touches, part: KeyPart) -> Touches:
        """The touches of this part, without those that wait behind a parked key."""
        mine = {row_key: parts for row_key, parts in touches.items() if part.holds(row_key[1])}
        if not self._parked_from:
            return mine
        shown: Touches = {}
        for row_key, parts in mine.items():
            parked_from = self._parked_from.get(key_name(row_key[1]))
            kept = [one for one in parts if parked_from is None or one[1].position < parked_from]
            if kept:
                shown[row_key] = kept
        return shown

    def _apply(self, touches: Touches, rows: dict[RowKey, AnyStoredRow], failures: dict[str, str]) -> None:
        stand: dict[RowKey, AnyStoredRow | Unreadable] = {key: rows[key] for key in touches if key in rows}
        changes = fold(self._projection, touches, stand, lambda _tenant, key: key_name(key) in failures)
        rows.update(changes.upserts)
        for row_key in changes.deletes:
            del rows[row_key]
        failures |= {one.key: one.error for one in changes.failures.values()}
