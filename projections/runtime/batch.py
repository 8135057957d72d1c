"""One batch: many tenants' events, the builds they are folded into, and what that comes to. In memory, no I/O."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

import msgspec

from projections.runtime.catalog import Catalog, Subject
from projections.runtime.checkpoints import BuildId, Checkpoint, CheckpointId
from projections.runtime.folding import Changes, Failure, Scan, TenantEvents, fold, key_name, scan
from projections.runtime.leases import Lease
from projections.runtime.statements import Changed, FoundRows
from projections.runtime.tally import Tally, count
from shared_kernel.views import WHOLE_TENANT, Key, encode_key


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be folded.

    Attributes:
        leases: under which: those of all the tenants' shards.
        checkpoints: where each build is, as far as this worker knows; all of them move.
        events: runs of the tenants concerned, from the lowest checkpoint on.
    """

    leases: tuple[Lease, ...]
    checkpoints: tuple[Checkpoint, ...]
    events: Mapping[UUID, TenantEvents]

    def without(self, tenants: Collection[UUID]) -> "Batch":
        """The batch of the other tenants."""
        return Batch(
            leases=self.leases,
            checkpoints=tuple(one for one in self.checkpoints if one.tenant_id not in tenants),
            events={tenant: run for tenant, run in self.events.items() if tenant not in tenants},
        )


class CachedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as Redis shall hold it; `body` None marks a deletion."""

    build: BuildId
    key: str
    position: int
    body: bytes | None


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Where the checkpoints are now, and which rows Redis should hear of, by tenant.

    Attributes:
        left_out: tenants whose shard was lost or whose checkpoints had moved: nothing of theirs was changed.
        lost_shards: those that another worker has.
    """

    checkpoints: tuple[Checkpoint, ...]
    cached_rows: dict[UUID, list[CachedRow]]
    events: int
    left_out: frozenset[UUID] = frozenset()
    lost_shards: frozenset[int] = frozenset()


def scan_batch(catalog: Catalog, batch: Batch) -> Iterator["Part"]:
    """The batch, build by build, and which rows it touches there."""
    groups: dict[BuildId, list[Checkpoint]] = defaultdict(list)
    for one in batch.checkpoints:
        groups[one.build_id].append(one)
    kinds = {tenant: {type(one.event) for one in run.recorded} for tenant, run in batch.events.items()}
    for build, checkpoints in groups.items():
        subject = catalog.subject(build.name)
        handles = subject.projection.handles
        after = {one.tenant_id: one.position for one in checkpoints}
        # Most views have no business with most runs, and need not look at each of their events to see it.
        concerned = [
            run for tenant, run in batch.events.items() if run.unreadable or not handles.isdisjoint(kinds[tenant])
        ]
        scanned = scan(subject.projection, concerned, after)
        yield Part(subject=subject, build=build, checkpoints=checkpoints, scanned=scanned)


class Part:
    """One build's share of a batch."""

    def __init__(self, *, subject: Subject, build: BuildId, checkpoints: Sequence[Checkpoint], scanned: Scan) -> None:
        self.subject = subject
        self.build = build
        self.checkpoints = checkpoints
        self.scanned = scanned
        self.is_added = subject.projection.sums is not None
        """Its rows are not loaded: what they come to in this batch is added to them."""
        self.rows: FoundRows = {}
        self.added: Mapping[UUID, int] = {}
        """How many rows of each tenant adding has found to be new."""
        self.changes: Changes
        self.newly_stopped: Mapping[UUID, Failure] = {}

    def fold(self, parked: Collection[tuple[CheckpointId, str]]) -> None:
        """Evolve the rows that were loaded, but for those that wait already."""
        self.changes = fold(self.subject.projection, self.scanned.touches, self.rows, self._is_in(parked))
        self.newly_stopped = {
            tenant: failure
            for tenant, failure in self.scanned.stopped.items()
            if (_id(tenant, self.build), WHOLE_TENANT) not in parked
        }

    def _is_in(self, parked: Collection[tuple[CheckpointId, str]]) -> Callable[[UUID, Key], bool]:
        if not parked:
            return lambda _tenant, _key: False
        return lambda tenant, key: (_id(tenant, self.build), key_name(key)) in parked

    def changed(self) -> Changed:
        """What is to be written."""
        return Changed(codec=self.subject.codec, build=self.build, changes=self.changes, is_added=self.is_added)

    def moved(self, events: Mapping[UUID, TenantEvents]) -> list[Checkpoint]:
        """The checkpoints after the batch."""
        created = self.added if self.is_added else count(key for key in self.changes.upserts if key not in self.rows)
        tally = Tally(self.changes, self.newly_stopped, created=created)
        stopped = self.scanned.stopped
        return [tally.moved(one, events[one.tenant_id], stopped.get(one.tenant_id)) for one in self.checkpoints]

    def cached_rows(self) -> list[tuple[UUID, CachedRow]]:
        """What readers shall find in Redis; a build that is not read yet has no business there."""
        if self.subject.projection.view.body is None:
            return []
        live = {one.tenant_id for one in self.checkpoints if one.mode == "live"}
        return [(tenant, row) for tenant, row in cached_rows(self.build, self.changes) if tenant in live]


def cached_rows_by_tenant(parts: Iterable[Part]) -> dict[UUID, list[CachedRow]]:
    """What Redis should hear of."""
    found: dict[UUID, list[CachedRow]] = defaultdict(list)
    for part in parts:
        for tenant, row in part.cached_rows():
            found[tenant].append(row)
    return dict(found)


def cached_rows(build: BuildId, changes: Changes) -> list[tuple[UUID, CachedRow]]:
    """What changed of a view that goes to Redis, with whose it is."""
    noted = [
        (tenant, CachedRow(build=build, key=encode_key(key), position=changes.upserts[tenant, key].position, body=body))
        for (tenant, key), body in changes.bodies.items()
        if (tenant, key) in changes.upserts
    ]
    noted += [
        (tenant, CachedRow(build=build, key=encode_key(key), position=position, body=None))
        for (tenant, key), position in changes.deletes.items()
    ]
    return noted


def _id(tenant_id: UUID, build: BuildId) -> CheckpointId:
    return (tenant_id, build.name, build.version, build.build)
