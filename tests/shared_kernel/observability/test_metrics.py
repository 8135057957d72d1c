"""Metrics of one process."""

from shared_kernel.observability.metrics import Metrics


def test_registries_do_not_share() -> None:
    """Two applications in one process count for themselves."""
    one, other = Metrics(), Metrics()
    one.counter("shelfwise_things_total", "Things.").inc()
    other.counter("shelfwise_things_total", "Things.")
    assert b"shelfwise_things_total 1.0" in one.render()
    assert b"shelfwise_things_total 0.0" in other.render()


def test_labels_are_bounded() -> None:
    """A method somebody made up is one value, and a status is its class."""
    metrics = Metrics()
    for number in range(50):
        metrics.observe_request(route="/x", method=f"M{number}", status=200 + number, duration_seconds=0.01)
    text = metrics.render().decode()
    assert 'shelfwise_http_request_duration_seconds_count{method="OTHER",route="/x",status="2xx"} 50.0' in text
    assert text.count("_count{") == 1


def test_durations_are_a_histogram_as_prometheus_knows_it() -> None:
    """Cumulative, a bound in the bucket below it, with a sum."""
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 60.0):
        metrics.observe_request(route="/x", method="GET", status=200, duration_seconds=seconds)
    labels = 'method="GET",route="/x",status="2xx"'
    name = "shelfwise_http_request_duration_seconds"
    text = metrics.render().decode()
    assert f"# TYPE {name} histogram" in text
    for bound, count in {"0.001": 2, "0.0025": 2, "0.5": 3, "10.0": 3, "+Inf": 4}.items():
        assert f'{name}_bucket{{le="{bound}",{labels}}} {count}.0' in text
    assert f"{name}_sum{{{labels}}} 60.3015" in text
