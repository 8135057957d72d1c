"""Prometheus metrics, one registry per process and object graph; no global one, so that tests and apps do not share."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared_kernel.observability.durations import DurationHistogram, Durations

METRICS_MEDIA_TYPE: Final = CONTENT_TYPE_LATEST.partition("; charset")[0]
"""Without its charset, which is UTF-8 and which Litestar adds to all text."""
UNMATCHED: Final = "unmatched"
_OTHER_METHOD: Final = "OTHER"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_HUNDRED: Final = 100


class Metrics:
    """The process's registry, the metrics of its HTTP, and a way to add others."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._duration = DurationHistogram(
            "shelfwise_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            labels=("route", "method", "status"),
            bounds_seconds=_BUCKETS_SECONDS,
        )
        self.registry.register(self._duration)
        self.in_flight = self.gauge("shelfwise_http_requests_in_flight", "Requests being answered.")
        self.streaming = self.gauge("shelfwise_http_streams_open", "Streams of events that clients are reading.")
        self.shed = self.counter("shelfwise_http_requests_shed_total", "Requests refused before routing.", "reason")
        self._answered: dict[tuple[str, str, int], Durations] = {}

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        """Add a counter; its labels must have few values."""
        return Counter(name, documentation, labelnames=labels, registry=self.registry)

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        """Add a gauge; its labels must have few values."""
        return Gauge(name, documentation, labelnames=labels, registry=self.registry)

    def histogram(
        self, name: str, documentation: str, *labels: str, buckets: tuple[float, ...] = _BUCKETS_SECONDS
    ) -> Histogram:
        """Add a histogram; its labels must have few values."""
        return Histogram(name, documentation, labelnames=labels, buckets=buckets, registry=self.registry)

    def observe_request(self, *, route: str, method: str, status: int, duration_seconds: float) -> None:
        """Count one answered request.

        Args:
            route: the route's template, or `UNMATCHED`; never the path, which anybody can make up.
            method: what is none of HTTP's usual ones is counted as `OTHER`.
            status: its class is the label.
            duration_seconds: to the last byte; of a stream of events, to its beginning.
        """
        key = (route, method if method in _METHODS else _OTHER_METHOD, status // _HUNDRED)
        durations = self._answered.get(key)
        if durations is None:
            durations = self._duration.of(key[0], key[1], f"{key[2]}xx")
            self._answered[key] = durations
        durations.observe(duration_seconds)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
