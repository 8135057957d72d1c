"""A worker that is frozen, killed or cut off turns every monitor red within ten seconds; then each heals by itself."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from operations.command_line.examination import examine
from shared_kernel.database.roles import DatabaseRole
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, line
from tests.command_line import on_servers
from tests.eventually import eventually
from tests.operations.installed import installation_of
from tests.read_side.query_execution.proxy import Proxy, proxy_to
from tests.servers import Servers
from tests.system.house import Deployable, start_read_api
from tests.system.killing import worker

RED_WITHIN_SECONDS = 10.0
_STORE = UUID(int=(7 << 120) + 5)


class Watched:
    """A log that grows, the query API beside it, and what each monitor says."""

    def __init__(self, servers: Servers, folder: Path, api: Deployable, client: httpx.AsyncClient) -> None:
        self.servers = servers
        self._folder = folder
        self._api = api
        self._client = client
        self._log = OrderLog(_STORE)

    async def sell(self) -> None:
        """One more order."""
        before = len(self._log.events)
        self._log.place(f"order {before}", [line(EMMA)])
        await write_log(self.servers.write_admin_url, self._log.events[before:])

    async def detail(self) -> tuple[int, str]:
        """Whether requests are still sent to the query API, and what it says of projecting."""
        answer = await self._client.get(f"{self._api.url}/health/ready")
        (detail,) = answer.json()["details"]
        return answer.status_code, detail["status"]

    async def metrics(self) -> dict[str, float]:
        """The query API's own gauges, those with a label summed up."""
        text = (await self._client.get(f"{self._api.url}/metrics")).text
        return {
            family.name: sum(sample.value for sample in family.samples)
            for family in text_string_to_metric_families(text)
            if family.type == "gauge"
        }

    async def doctor(self) -> bool:
        """Whether it finds nothing wrong with projecting; nobody reacts here."""
        found = await examine(installation_of(self.servers, self._folder))
        return {one.name for one in found.checks if not one.ok} == {"reactions"}

    async def colours(self) -> set[str]:
        """What readiness and metrics say: one colour, unless they disagree."""
        status, detail = await self.detail()
        assert status == 200, "reads go on"
        gauge = (await self.metrics())["shelfwise_projecting_green"]
        return {detail, "green" if gauge else "red"}

    async def turns(self, colour: str, *, within_seconds: float = RED_WITHIN_SECONDS) -> None:
        """Wait until all agree on a colour."""
        await eventually(self.colours, lambda seen: seen == {colour}, within_seconds=within_seconds)
        is_green = colour == "green"
        await eventually(self.doctor, lambda seen: seen == is_green, within_seconds=within_seconds)


@pytest.fixture
async def watched(servers: Servers, reachable_folder: Path) -> AsyncIterator[Watched]:
    """The query API as in production, and one order in the log."""
    api = start_read_api(servers, reachable_folder)
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            opened = Watched(servers, reachable_folder, api, client)
            await opened.sell()
            await eventually(lambda: answers(client, api))
            yield opened
    finally:
        api.end()


async def answers(client: httpx.AsyncClient, api: Deployable) -> bool:
    """Whether the process is there."""
    try:
        return (await client.get(f"{api.url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_frozen_and_a_killed_worker_turn_the_monitors_red(watched: Watched) -> None:
    """With production's times. Nobody asks the frozen process but its probe, whose silence is red too."""
    with worker(watched.servers, lease_seconds=4.0) as process:
        await watched.turns("green", within_seconds=60)
        with stopped(process):
            await watched.sell()
            await eventually(watched.colours, lambda seen: seen == {"red"}, within_seconds=RED_WITHIN_SECONDS)
            assert (await watched.metrics())["shelfwise_lag_events"] > 0
            finished = on_servers(watched.servers, Path.cwd()).run("doctor", "--json")
            assert finished.code == 1
            red = {one["name"]: one["detail"] for one in finished.answer["checks"] if not one["ok"]}
            assert "does not answer" in red["probes"]
        await watched.turns("green", within_seconds=60)
        process.kill()
        await watched.turns("red")
        with worker(watched.servers):
            await watched.turns("green", within_seconds=60)


async def test_a_worker_that_is_cut_off_turns_the_monitors_red(watched: Watched) -> None:
    """From the log, while its heart beats on in the read database; then from that, and its leases expire."""
    log_url, read_url = (
        watched.servers.url_as(DatabaseRole.PROJECTOR, read=False),
        watched.servers.url_as(DatabaseRole.PROJECTOR),
    )
    async with proxy_to(log_url) as log_door, proxy_to(read_url) as read_door:
        through = {"write_database_url": log_door.url(log_url), "read_database_url": read_door.url(read_url)}
        with worker(watched.servers, **through):
            await watched.turns("green", within_seconds=60)
            with held(log_door):
                await watched.sell()
                await watched.turns("red")
            await watched.turns("green", within_seconds=60)
            with held(read_door):
                await watched.turns("red")
            await watched.turns("green", within_seconds=60)


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Frozen for the block."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def held(door: Proxy) -> Iterator[None]:
    """Nothing passes for the block."""
    door.hold()
    try:
        yield
    finally:
        door.let_go()
