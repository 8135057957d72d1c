"""What rounds have just read of the log, kept for the projections that gather: fetched and decoded once."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from projections.fold import AnyRecorded
from projections.runtime.folding import TenantEvents
from shared_kernel.log.reader import Want

_MOST_EVENTS = 4_000
"""Of all tenants: some ten megabytes; at three hundred orders a second, seconds of them."""


class RecentEvents:
    """The last events of tenants that rounds have read, as long as nobody has taken them: each run without a gap.

    A log never changes, so what was read of it stays true whatever becomes of the batch. What is not here is fetched.
    """

    def __init__(self) -> None:
        self._runs: dict[UUID, list[AnyRecorded]] = {}
        self._count = 0

    def note_all(self, runs: Iterable[TenantEvents]) -> None:
        """These were read just now; those from behind a gap take the place of those before it."""
        for run in runs:
            self._note(run)

    def take_all(self, wants: Iterable[Want]) -> dict[UUID, TenantEvents]:
        """What is wanted, of those of whom its beginning is here; nobody is given it a second time."""
        found = ((want.tenant_id, self._take(want)) for want in wants)
        return {tenant_id: run for tenant_id, run in found if run is not None}

    def _note(self, run: TenantEvents) -> None:
        if not run.recorded:
            return
        if self._count + len(run.recorded) > _MOST_EVENTS:  # nobody gathers, or falls behind: then it is read again
            self._runs, self._count = {}, 0
        known = self._runs.setdefault(run.tenant_id, [])
        if known and run.recorded[0].position != known[-1].position + 1:
            self._count -= len(known)
            known.clear()
        known.extend(run.recorded)
        self._count += len(run.recorded)

    def _take(self, want: Want) -> TenantEvents | None:
        known = self._runs.get(want.tenant_id)
        if not known or want.until is not None or not known[0].position <= want.after + 1 <= known[-1].position:
            return None
        first = want.after + 1 - known[0].position
        found = tuple(known[first : first + want.limit])
        self._drop(want.tenant_id, known, first + len(found))
        return TenantEvents(tenant_id=want.tenant_id, recorded=found, unreadable=None)

    def _drop(self, tenant_id: UUID, known: Sequence[AnyRecorded], count: int) -> None:
        self._count -= count
        if rest := list(known[count:]):
            self._runs[tenant_id] = rest
        else:
            del self._runs[tenant_id]
