"""What this worker knows of its own progress, for its metrics; the truth about lag is what the database says."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class Progress:
    """The reacting worker's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "shelfwise_reacted_events", "Events reacted to and committed", ["reaction"], registry=registry
        )
        self._lag = Gauge(
            "shelfwise_reaction_lag_events", "Events between the log's head and a reaction, all stores held here",
            ["reaction"], registry=registry,
        )  # fmt: skip
        self._parked = Gauge("shelfwise_reaction_parked_keys", "Keys parked", ["reaction"], registry=registry)
        self._shards = Gauge("shelfwise_reaction_shards", "Shards this worker holds", registry=registry)
        self._by_shard: dict[int, Mapping[str, tuple[int, int]]] = {}

    def note_events(self, reaction: str, events: int) -> None:
        """A turn was committed."""
        self._events.labels(reaction).inc(events)

    def note_shard(self, shard: int, totals: Mapping[str, tuple[int, int]]) -> None:
        """How far a shard's reactions are behind, and how many of their keys are parked."""
        self._by_shard[shard] = totals
        self._publish()

    def note_lost(self, shard: int) -> None:
        """The shard is another worker's now."""
        self._by_shard.pop(shard, None)
        self._publish()

    def _publish(self) -> None:
        self._shards.set(len(self._by_shard))
        names = {name for totals in self._by_shard.values() for name in totals}
        for name in names:
            found = [totals[name] for totals in self._by_shard.values() if name in totals]
            self._lag.labels(name).set(sum(lag for lag, _ in found))
            self._parked.labels(name).set(sum(parked for _, parked in found))
