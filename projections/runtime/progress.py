"""What this worker knows of its own progress, for its metrics; the truth about lag is what the databases say."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from projections.runtime.checkpoints import Checkpoint


class Progress:
    """The projector's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter("shelfwise_projected_events", "Events folded and committed", registry=registry)
        self._batch_seconds = Histogram(
            "shelfwise_projection_batch_seconds", "One batch, begin to commit", registry=registry
        )
        self._lag = Gauge(
            "shelfwise_projection_lag_events", "Events between the log's head and a projection, all tenants held here",
            ["projection"], registry=registry,
        )  # fmt: skip
        self._parked = Gauge("shelfwise_projection_parked_keys", "Keys parked", ["projection"], registry=registry)
        self._shards = Gauge("shelfwise_projection_shards", "Shards this worker holds", registry=registry)
        self._by_shard: dict[int, dict[str, tuple[int, int]]] = {}

    def note_batch(self, *, events: int, seconds: float) -> None:
        """A batch was committed."""
        self._events.inc(events)
        self._batch_seconds.observe(seconds)

    def note_shard(self, shard: int, heads: Mapping[UUID, int], checkpoints: Iterable[Checkpoint]) -> None:
        """How far a shard's live builds are behind."""
        totals: dict[str, tuple[int, int]] = {}
        for one in checkpoints:
            if one.mode == "live":
                lag, parked = totals.get(one.name, (0, 0))
                behind = max(0, heads.get(one.tenant_id, one.position) - one.position)
                totals[one.name] = (lag + behind, parked + one.parked)
        if totals != self._by_shard.get(shard):
            self._by_shard[shard] = totals
            self._publish()

    def note_lost(self, shard: int) -> None:
        """The shard is another worker's now."""
        self._by_shard.pop(shard, None)
        self._publish()

    def _publish(self) -> None:
        self._shards.set(len(self._by_shard))
        sums: dict[str, tuple[int, int]] = {}
        for totals in self._by_shard.values():
            for name, (lag, parked) in totals.items():
                before = sums.get(name, (0, 0))
                sums[name] = (before[0] + lag, before[1] + parked)
        for name, (lag, parked) in sums.items():
            self._lag.labels(name).set(lag)
            self._parked.labels(name).set(parked)
