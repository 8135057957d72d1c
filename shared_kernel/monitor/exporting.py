"""What a watch sees, for Prometheus: read when it is scraped, and silent about lag where the watch cannot see."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared_kernel.monitor.looking import ProjectionSight, Sizes
from shared_kernel.monitor.reacting import Reacting
from shared_kernel.monitor.watching import Watch, Watched

_PROJECTION: Final = ("projection",)
_SIZES: Final[tuple[tuple[str, str, Callable[[Sizes], float]], ...]] = (
    ("shelfwise_database_bytes", "What the database takes on disk.", lambda sizes: sizes.database_bytes),
    ("shelfwise_live_rows", "Rows of all its tables.", lambda sizes: sizes.live_rows),
    ("shelfwise_dead_rows", "Rows that autovacuum has not removed yet.", lambda sizes: sizes.dead_rows),
)


class WatchCollector(Collector):
    """Collects from the watch of a running process; from nothing while it starts or ends."""

    def __init__(self, watch: Callable[[], Watch | None]) -> None:
        self._watch = watch

    def describe(self) -> list[Metric]:
        """Nothing: names are known when there is something to collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The gauges, as of the newest look."""
        watch = self._watch()
        if watch is None:
            return
        yield GaugeMetricFamily(
            "shelfwise_projecting_green", "1 while events become visible; 0 also where that cannot be told.",
            value=float(watch.verdict.is_green),
        )  # fmt: skip
        yield GaugeMetricFamily(
            "shelfwise_look_age_seconds", "Since this process could last look at both databases.",
            value=watch.age_seconds,
        )  # fmt: skip
        if watch.watched is not None:
            yield from _seen(watch.watched)


def _seen(watched: Watched) -> Iterator[Metric]:
    sight = watched.sight
    yield _each("shelfwise_lag_events", "Events that are not shown yet.", sight.projections, lambda one: one.lag_events)
    yield _each(
        "shelfwise_lag_seconds", "Age of the oldest event that is not shown.", sight.projections,
        lambda one: one.lag_seconds,
    )  # fmt: skip
    yield _each("shelfwise_dead_letters", "Keys given up on.", sight.projections, lambda one: one.dead_letters)
    yield _each("shelfwise_retrying_keys", "Parked keys still tried.", sight.projections, lambda one: one.retrying)
    yield _each(
        "shelfwise_projection_paused", "1 while an operator has it stand still.", sight.projections,
        lambda one: one.is_paused,
    )  # fmt: skip
    for name, documentation, value in _SIZES:
        family = GaugeMetricFamily(name, documentation, labels=("database",))
        for sizes in watched.sizes:
            family.add_metric([sizes.database], value(sizes))
        yield family
    labour = sight.labour
    yield GaugeMetricFamily("shelfwise_projectors", "Projectors whose heart beats.", value=labour.workers)
    yield GaugeMetricFamily("shelfwise_shards", "Shards there are.", value=labour.shards)
    yield GaugeMetricFamily("shelfwise_shards_held", "Shards that somebody drains.", value=labour.held_shards)
    yield GaugeMetricFamily("shelfwise_redis_up", "1 while Redis answers.", value=float(watched.redis_answers))
    if sight.reacting is not None:
        yield from _reacting(sight.reacting)
    vitals = sight.vitals
    if vitals is not None:
        yield GaugeMetricFamily(
            "shelfwise_append_waiting", "Commands that wait for a log's head.", value=vitals.append_waiting
        )
        yield GaugeMetricFamily(
            "shelfwise_append_wait_seconds", "How long the first of them has waited.", value=vitals.append_wait_seconds
        )
        yield GaugeMetricFamily(
            "shelfwise_archive_unfinished_files", "Archive files whose events are still in the log, minutes later.",
            value=vitals.unfinished_archives,
        )  # fmt: skip


def _reacting(reacting: Reacting) -> Iterator[Metric]:
    labour = reacting.labour
    yield GaugeMetricFamily("shelfwise_reactors", "Reacting workers whose heart beats.", value=labour.workers)
    yield GaugeMetricFamily("shelfwise_reactor_shards", "Shards to react in.", value=labour.shards)
    yield GaugeMetricFamily(
        "shelfwise_reactor_shards_held", "Of them, those somebody reacts in.", value=labour.held_shards
    )
    lag = GaugeMetricFamily(
        "shelfwise_reaction_lag_seconds", "Age of the oldest event not reacted to.", labels=("reaction",)
    )
    dead = GaugeMetricFamily("shelfwise_reaction_dead_letters", "Keys given up on.", labels=("reaction",))
    for one in reacting.reactions:
        lag.add_metric([one.name], one.lag_seconds)
        dead.add_metric([one.name], one.dead)
    due = GaugeMetricFamily("shelfwise_outbox_due", "Messages to send now.", labels=("outbox",))
    overdue = GaugeMetricFamily(
        "shelfwise_outbox_overdue_seconds",
        "Since when the oldest of them is due, but for receivers that fail.",
        labels=("outbox",),
    )
    for outbox in reacting.outboxes:
        due.add_metric([outbox.name], outbox.due)
        overdue.add_metric([outbox.name], outbox.overdue_seconds)
    yield from (lag, dead, due, overdue)


def _each(
    name: str,
    documentation: str,
    projections: tuple[ProjectionSight, ...],
    value: Callable[[ProjectionSight], float | None],
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=_PROJECTION)
    for one in projections:
        known = value(one)
        if known is not None:
            family.add_metric([f"{one.name}@{one.version}"], known)
    return family
