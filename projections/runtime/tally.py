"""Where a batch takes its checkpoints: positions, revisions, and how many rows there are and are parked."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import Changes, Failure, RowKey, TenantEvents


class Tally:
    """How many rows of each tenant came, changed, went or were parked in one build."""

    def __init__(self, changes: Changes, stopped: Mapping[UUID, Failure], *, existed: Collection[RowKey]) -> None:
        self._upserted = Counter(tenant for tenant, _ in changes.upserts)
        self._created = Counter(row_key[0] for row_key in changes.upserts if row_key not in existed)
        self._deleted = Counter(tenant for tenant, _ in changes.deletes)
        self._parked = Counter(tenant for tenant, _ in changes.failures) + Counter(list(stopped))

    def moved(self, checkpoint: Checkpoint, run: TenantEvents, stop: Failure | None) -> Checkpoint:
        """The checkpoint after the batch."""
        tenant = checkpoint.tenant_id
        reached = _last_reached(checkpoint, run, stop)
        changed = self._upserted[tenant] or self._deleted[tenant] or self._parked[tenant]
        return msgspec.structs.replace(
            checkpoint,
            position=reached[0],
            as_of=reached[1],
            revision=checkpoint.revision + (1 if changed else 0),
            rows=checkpoint.rows + self._created[tenant] - self._deleted[tenant],
            parked=checkpoint.parked + self._parked[tenant],
        )


def _last_reached(checkpoint: Checkpoint, run: TenantEvents, stop: Failure | None) -> tuple[int, datetime | None]:
    for recorded in reversed(run.recorded):
        if recorded.position <= checkpoint.position:
            break
        if stop is None or recorded.position < stop.position:
            return recorded.position, recorded.recorded_at
    return checkpoint.position, checkpoint.as_of
