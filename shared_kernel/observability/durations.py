"""A histogram of few label values that is observed at every request: one list and one sum a label, no locks."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Durations:
    """Of one set of labels. Only the loop's thread observes, so nothing is lost without a lock."""

    __slots__ = ("_bounds", "_counts", "_sum_seconds")

    def __init__(self, bounds_seconds: tuple[float, ...]) -> None:
        self._bounds = bounds_seconds
        self._counts = [0] * (len(bounds_seconds) + 1)
        self._sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one; a bound belongs to the bucket below it, as in Prometheus."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum_seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        names = [*(f"{bound}" for bound in self._bounds), "+Inf"]
        return [(name, float(count)) for name, count in zip(names, accumulate(self._counts), strict=True)]

    @property
    def sum_seconds(self) -> float:
        """Of all observed."""
        return self._sum_seconds


class DurationHistogram(Collector):
    """All label values of one metric."""

    def __init__(
        self, name: str, documentation: str, *, labels: tuple[str, ...], bounds_seconds: tuple[float, ...]
    ) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._bounds = bounds_seconds
        self._children: dict[tuple[str, ...], Durations] = {}

    def of(self, *values: str) -> Durations:
        """The durations of one set of label values, which must be few."""
        return self._children.setdefault(values, Durations(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What the registry asks for."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, durations in list(self._children.items()):
            family.add_metric(values, durations.buckets(), durations.sum_seconds)
        yield family
