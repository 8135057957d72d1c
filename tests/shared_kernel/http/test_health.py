"""Living, ready, started: in the application, and on a worker's own port."""

import asyncio

import httpx
import pytest

from shared_kernel.http.health import Check, Draining, Health
from shared_kernel.http.probe import serve_probe
from shared_kernel.observability.metrics import Metrics
from tests.shared_kernel.http.small_store import SmallStore, assert_problem


class _Dependency:
    """Is there or not, as the test says."""

    def __init__(self, *, is_up: bool) -> None:
        self.is_up = is_up
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if not self.is_up:
            raise ConnectionRefusedError("postgresql://role:hunter2@db is away")


async def test_a_red_check_turns_readiness_red_and_nothing_else() -> None:
    """Living asks nobody: a restart would not bring the database back."""
    database, cache = _Dependency(is_up=True), _Dependency(is_up=False)
    checks = [Check(name="database", run=database.ping), Check(name="cache", run=cache.ping)]
    store = SmallStore(health=Health(checks))
    async with store.client() as client:
        red = await client.get("/health/ready")
        assert (await client.get("/health/live")).status_code == 200
        assert database.asked == 1
        cache.is_up = True
        green = await client.get("/health/ready")
    problem = assert_problem(red, 503, "not_ready")
    assert [error["pointer"] for error in problem["errors"]] == ["cache"]
    assert "hunter2" not in red.text
    assert green.json() == {"status": "ok", "checks": ["database", "cache"]}


async def test_checks_run_together_each_within_its_bound() -> None:
    """What hangs is red, and holds up nothing for longer than its own bound."""
    both_run = asyncio.Barrier(2)

    async def meet() -> None:
        await both_run.wait()

    async def hang() -> None:
        await asyncio.Event().wait()

    meeting = [Check(name="one", run=meet), Check(name="two", run=meet)]
    store = SmallStore(health=Health([*meeting, Check(name="hung", run=hang, timeout_seconds=0.05)]))
    async with asyncio.timeout(30), store.client() as client:
        problem = assert_problem(await client.get("/health/ready"), 503, "not_ready")
    assert [error["pointer"] for error in problem["errors"]] == ["hung"]


def test_a_check_may_not_take_long() -> None:
    """Probes give up after a second."""
    with pytest.raises(ValueError, match="at most"):
        Check(name="slow", run=_Dependency(is_up=True).ping, timeout_seconds=1.5)


async def test_having_started_is_for_good() -> None:
    """Later outages are readiness' matter."""
    migrated = _Dependency(is_up=False)
    store = SmallStore(health=Health(startup=[Check(name="migrated", run=migrated.ping)]))
    async with store.client() as client:
        assert_problem(await client.get("/health/startup"), 503, "not_ready")
        migrated.is_up = True
        assert (await client.get("/health/startup")).status_code == 200
        migrated.is_up = False
        assert (await client.get("/health/startup")).status_code == 200


async def test_draining_refuses_new_traffic_before_anything_closes() -> None:
    """Requests that still come are answered."""
    draining = Draining()
    store = SmallStore(health=Health(draining=draining))
    async with store.client() as client:
        assert (await client.get("/health/ready")).status_code == 200
        draining.begin()
        assert_problem(await client.get("/health/ready"), 503, "not_ready")
        assert (await client.get("/health/live")).status_code == 200


async def test_metrics_are_served_by_route_template() -> None:
    """Paths that anybody can make up are one label."""
    store = SmallStore()
    async with store.client(store.key()) as client:
        await client.get("/sales/01890000-0000-7000-8000-000000000000")
        await client.get("/made/up/1")
        await client.get("/made/up/2")
        text = (await client.get("/metrics")).text
    name = "shelfwise_http_request_duration_seconds_count"
    assert f'{name}{{method="GET",route="/sales/{{sale_id}}",status="2xx"}} 1.0' in text
    assert f'{name}{{method="GET",route="unmatched",status="4xx"}} 2.0' in text
    assert "/made" not in text


async def test_a_worker_has_the_same_on_its_own_port() -> None:
    """Over a real socket."""
    database = _Dependency(is_up=True)
    metrics = Metrics()
    metrics.counter("shelfwise_events_total", "Folded.", "projection").labels("sales").inc(3)
    health = Health([Check(name="database", run=database.ping)])
    async with serve_probe(port=0, health=health, metrics=metrics) as port, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}"
        assert (await client.get(f"{url}/health/live")).json() == {"status": "ok", "checks": []}
        assert (await client.get(f"{url}/health/ready")).json()["checks"] == ["database"]
        assert (await client.get(f"{url}/health/startup")).status_code == 200
        assert 'shelfwise_events_total{projection="sales"} 3.0' in (await client.get(f"{url}/metrics?x=1")).text
        assert (await client.get(f"{url}/secrets")).status_code == 404
        assert (await client.post(f"{url}/metrics")).status_code == 404
        database.is_up = False
        red = await client.get(f"{url}/health/ready")
        assert (red.status_code, red.json()["code"]) == (503, "not_ready")
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health/live")


async def test_a_probe_port_survives_nonsense() -> None:
    """Whatever connects, the next probe is answered."""
    async with serve_probe(port=0, health=Health(), metrics=Metrics()) as port, asyncio.timeout(30):
        for nonsense in (b"\r\n\r\n", b"\x00" * 20_000, b"GET"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(nonsense)
            writer.write_eof()
            try:
                await reader.read()
            except ConnectionResetError:
                assert len(nonsense) > 8192  # only what overflows its buffer may be cut off
            writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/health/live")).status_code == 200
