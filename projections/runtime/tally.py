"""Where a batch takes its checkpoints: positions, revisions, and how many rows there are and are parked."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import Changes, Failure, RowKey, TenantEvents


class Tally:
    """How many rows of each tenant came, changed, went or were parked in one build."""

    def __init__(self, changes: Changes, stopped: Mapping[UUID, Failure], *, created: Mapping[UUID, int]) -> None:
        self._upserted = count(changes.upserts)
        self._created = created
        self._deleted = count(changes.deletes)
        self._parked = count([*changes.failures, *((tenant, ()) for tenant in stopped)])

    def moved(self, checkpoint: Checkpoint, run: TenantEvents, stop: Failure | None) -> Checkpoint:
        """The checkpoint after the batch."""
        tenant = checkpoint.tenant_id
        reached = _last_reached(checkpoint, run, stop)
        deleted, parked = self._deleted.get(tenant, 0), self._parked.get(tenant, 0)
        changed = tenant in self._upserted or deleted or parked
        return msgspec.structs.replace(
            checkpoint,
            position=reached[0],
            as_of=reached[1],
            revision=checkpoint.revision + (1 if changed else 0),
            rows=checkpoint.rows + self._created.get(tenant, 0) - deleted,
            parked=checkpoint.parked + parked,
        )


def count(row_keys: Iterable[RowKey]) -> dict[UUID, int]:
    """How many are of each tenant. Most views have none of a batch's rows, and a Counter takes longer to be empty."""
    counts: dict[UUID, int] = {}
    for tenant, _ in row_keys:
        counts[tenant] = counts.get(tenant, 0) + 1
    return counts


def _last_reached(checkpoint: Checkpoint, run: TenantEvents, stop: Failure | None) -> tuple[int, datetime | None]:
    for recorded in reversed(run.recorded):
        if recorded.position <= checkpoint.position:
            break
        if stop is None or recorded.position < stop.position:
            return recorded.position, recorded.recorded_at
    return checkpoint.position, checkpoint.as_of
