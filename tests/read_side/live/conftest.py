"""The query API with every route, whose streams are in a hurry."""

from collections.abc import AsyncIterator

import pytest

from read_side.app import Overrides
from read_side.live.settings import LiveSettings
from tests.eventually import eventually
from tests.read_side.live.stage import make_tables
from tests.read_side.query_execution.conftest import GENEROUS, Api, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

QUICK = LiveSettings(
    max_streams=3,
    max_streams_of_tenant=3,
    max_streams_of_key=2,
    heartbeat_seconds=0.1,
    spacing_seconds=0.01,
    poll_seconds=0.05,
)


@pytest.fixture
async def api(servers: Servers) -> AsyncIterator[Api]:
    """With every route, and streams in a hurry."""
    shelf = Shelf(servers)
    await shelf.prepare()
    await make_tables(servers)
    async with running_api(servers, shelf, Overrides(limits=GENEROUS, live=QUICK)) as running:
        yield running


async def nobody_streams(api: Api) -> None:
    """Return once every stream is over."""
    await eventually(lambda: metrics_of(api), lambda metrics: metrics["shelfwise_http_streams_open"] == 0)


async def metrics_of(api: Api) -> dict[str, float]:
    """What Prometheus would read, by name and labels."""
    text = (await api.client.get("http://api.test/metrics")).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
