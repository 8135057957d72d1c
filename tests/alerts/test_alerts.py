"""Each alert fires when real processes are in its condition, after its time and no sooner, and resolves."""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import click
import httpx
import msgspec
import pytest

from operations.command_line.entry import shelfwise
from shared_kernel.access.api_keys import new_api_key
from tests.alerts.promql import History, Scrape, evaluate, metrics_of
from tests.alerts.rules import CHECKOUT, Rule, Story, firing, rules
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, line
from tests.builders.projecting import projected
from tests.eventually import eventually
from tests.read_side.query_execution.proxy import Proxy, proxy_to
from tests.servers import Servers
from tests.system.house import Deployable, start_projector, start_read_api, start_write_api

RULES = rules()
RUNBOOKS = CHECKOUT / "docs" / "runbooks"
_STORE = UUID(int=(9 << 120) + 3)
_JOBS = {"read_side": "shelfwise-read-api", "write_side": "shelfwise-write-api", "projector": "shelfwise-projector"}
_SCRAPE_SECONDS = 1.0
_WITHIN_SECONDS = 60.0
_ROUNDS_OF_COMMANDS = 4
"""Enough for the alert that takes longest to see growth in every window until then."""
_COMMAND = re.compile(r"^shelfwise .*$", re.MULTILINE)
_DEAD_ROWS = """
CREATE TABLE read.of_no_use AS SELECT g FROM generate_series(1, 150000) g;
DELETE FROM read.of_no_use;
"""
_PARK = """
INSERT INTO projection.parked_key
    (id, tenant_id, name, version, build, key, state, first_position, attempts, error, next_attempt_at)
SELECT gen_random_uuid(), tenant_id, name, version, build, 'a', 'dead', 1, 5, 'x', now()
FROM read.active_build WHERE name = 'sales'
"""
_FILE = """
INSERT INTO log.archive (tenant_id, from_position, to_position, uri, events, bytes, sha256, written_at)
VALUES ($1, 1, 1, 'file:///x', 1, 1, repeat('0', 64), now() - interval '10 minutes')
"""


class Plant:
    """Both APIs behind doors, and a projector; what Prometheus would scrape of them."""

    def __init__(
        self, servers: Servers, doors: dict[str, Proxy], deployables: list[Deployable], client: httpx.AsyncClient
    ) -> None:
        self.servers = servers
        self.doors = doors
        self.read_api, self.write_api, self.projector = deployables
        self._client = client
        self._log = OrderLog(_STORE)

    async def sell(self) -> None:
        """An order recorded long ago: what shows it late is late at once."""
        before = len(self._log.events)
        self._log.place(f"order {before}", [line(EMMA)])
        await write_log(self.servers.write_admin_url, self._log.events[before:])

    async def scrape(self) -> tuple[Scrape, ...]:
        """All three, at once."""
        return tuple(await asyncio.gather(*map(self._scrape, (self.read_api, self.write_api, self.projector))))

    async def _scrape(self, one: Deployable) -> Scrape:
        try:
            text: str | None = (await self._client.get(f"{one.url}/metrics")).text
        except httpx.TransportError:
            text = None
        return Scrape(at=0.0, job=_JOBS[one.name], text=text)

    async def until(self, *alerts: str, hold: bool = True) -> tuple[Scrape, ...]:
        """The first scrape in which the conditions of all these hold, or none of them does."""

        async def look() -> tuple[tuple[Scrape, ...], set[str]]:
            scrapes = await self.scrape()
            return scrapes, {name for name in alerts if evaluate(RULES[name].expr, History(scrapes), 1.0)}

        wanted = set(alerts) if hold else set()
        return (await eventually(look, lambda seen: seen[1] == wanted, within_seconds=_WITHIN_SECONDS))[0]

    async def fail_commands(self) -> None:
        """Commands that wait for a database that hangs, and are answered with 503."""
        headers = {"Authorization": f"Bearer {new_api_key()}", "Idempotency-Key": "k"}
        async with httpx.AsyncClient(timeout=30) as client:
            paths = [f"{self.write_api.url}/api/v1/{path}" for path in ("orders", "locations")]
            await asyncio.gather(*(client.post(path, headers=headers, json={}) for path in paths * 5))


@asynccontextmanager
async def opened_plant(servers: Servers, folder: Path) -> AsyncIterator[Plant]:
    """Ready, with one order shown."""
    async with AsyncExitStack() as stack:
        urls = {"write": servers.write_admin_url, "read": servers.read_admin_url, "redis": servers.redis_url}
        doors = {name: await stack.enter_async_context(proxy_to(url)) for name, url in urls.items()}
        behind = msgspec.structs.replace(
            servers,
            write_admin_url=doors["write"].url(urls["write"]),
            read_admin_url=doors["read"].url(urls["read"]),
            redis_url=doors["redis"].url(urls["redis"]),
        )
        started = [start_read_api(behind, folder), start_write_api(behind, folder), start_projector(servers, folder)]
        for one in started:
            stack.push_async_callback(asyncio.to_thread, one.end)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=_SCRAPE_SECONDS))
        plant = Plant(servers, doors, started, client)
        await plant.sell()
        await projected(servers)
        yield plant


async def test_each_alert_fires_and_resolves(servers: Servers, reachable_folder: Path) -> None:
    """From what the processes themselves export, before, in and after each condition."""
    async with opened_plant(servers, reachable_folder) as plant:
        calm = await plant.until(*RULES, hold=False)
        assert all(one.text for one in calm)
        told: dict[str, Story] = {}
        for drive, alerts in _CONDITIONS:
            red = await drive(plant, alerts)
            over = await plant.until(*alerts, hold=False)
            told |= {name: Story(calm=calm, red=red, over=over) for name in alerts}
    assert set(told) == set(RULES), "each rule has a condition"
    for name, story in told.items():
        judge(RULES[name], story)


def judge(rule: Rule, story: Story) -> None:
    """It fires when its time has passed, not before, with the labels that its summary names; and then no more."""
    history, red_at, over_at = story.told(rule)
    assert metrics_of(rule.expr) <= history.names, f"{rule.alert} names a metric that nobody exports"
    assert not firing(rule, history, until=red_at - 1), rule.alert
    if rule.for_seconds:
        assert not firing(rule, history, until=red_at + rule.for_seconds - 31), f"{rule.alert} fires too soon"
    fires = firing(rule, history, until=over_at - 1)
    assert fires, f"{rule.alert} does not fire"
    for labels in fires:
        assert set(re.findall(r"\$labels\.(\w+)", rule.annotations.summary)) <= {name for name, _ in labels}
    assert not firing(rule, history, until=over_at + 400), f"{rule.alert} does not resolve"


async def freeze(plant: Plant, alerts: tuple[str, ...]) -> tuple[tuple[Scrape, ...], ...]:
    """The projector stops; the log goes on."""
    os.kill(plant.projector.process.pid, signal.SIGSTOP)
    try:
        await plant.sell()
        return (await plant.until(*alerts),)
    finally:
        os.kill(plant.projector.process.pid, signal.SIGCONT)


async def neglect(plant: Plant, alerts: tuple[str, ...]) -> tuple[tuple[Scrape, ...], ...]:
    """A key given up on, a projection left paused, files left lying, dead rows, a session that keeps a log's lock."""
    async with AsyncExitStack() as stack:
        write, waiting, read = [
            await stack.enter_async_context(_connected(url))
            for url in (plant.servers.write_admin_url, plant.servers.write_admin_url, plant.servers.read_admin_url)
        ]
        await write.execute(_FILE, _STORE)
        await read.execute(_PARK)
        await read.execute("UPDATE projection.checkpoint SET paused = true WHERE name = 'kpis'")
        await read.execute(_DEAD_ROWS)
        held = write.transaction()
        await held.start()
        await write.execute("UPDATE log.tenant_head SET position = position WHERE tenant_id = $1", _STORE)
        append = asyncio.create_task(
            waiting.execute("UPDATE log.tenant_head SET position = position WHERE tenant_id = $1", _STORE)
        )
        try:
            return (await plant.until(*alerts),)
        finally:
            await held.rollback()
            await append
            await write.execute("DELETE FROM log.archive")
            await read.execute("DELETE FROM projection.parked_key")
            await read.execute("UPDATE projection.checkpoint SET paused = false")
            await read.execute("DROP TABLE read.of_no_use")


async def lose_redis(plant: Plant, alerts: tuple[str, ...]) -> tuple[tuple[Scrape, ...], ...]:
    """It refuses connections."""
    await plant.doors["redis"].shut()
    try:
        return (await plant.until(*alerts),)
    finally:
        await plant.doors["redis"].open()


async def hang(plant: Plant, alerts: tuple[str, ...]) -> tuple[tuple[Scrape, ...], ...]:
    """Both databases stop answering while commands go on coming."""
    for name in ("write", "read"):
        plant.doors[name].hold()
    try:
        red = []
        for number in range(_ROUNDS_OF_COMMANDS):
            if number == _ROUNDS_OF_COMMANDS - 1:
                await plant.until(alerts[0])  # the others look back, which one scrape cannot
            await plant.fail_commands()
            red.append(await plant.scrape())
        return tuple(red)
    finally:
        for name in ("write", "read"):
            plant.doors[name].let_go()


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


_Drive = Callable[[Plant, tuple[str, ...]], Awaitable[tuple[tuple[Scrape, ...], ...]]]
_CONDITIONS: tuple[tuple[_Drive, tuple[str, ...]], ...] = (
    (freeze, ("ProjectingRed", "NoProjector", "ShardsWithoutLease", "ProjectionLag", "ProcessSilent")),
    (neglect, ("DeadLetters", "ProjectionPaused", "ArchiveUnfinished", "Bloat", "AppendLockWaits")),
    (lose_redis, ("RedisAway",)),
    (hang, ("MonitorBlind", "ServerErrors", "SlowCommands")),
)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: Rule) -> None:
    """Its page is there, has every part, and each command on it is one that there is, with options that it takes."""
    assert rule.labels["severity"] in {"critical", "warning", "info"}
    assert rule.annotations.runbook_url == f"docs/runbooks/{rule.alert}.md"
    check_page(rule.annotations.runbook_url)


def test_the_page_on_restoring_says_that_the_cache_goes_too() -> None:
    """What was made of events that are no more would look current for ever."""
    page = check_page("docs/runbooks/Restoring.md")
    assert page.count("FLUSHALL\nshelfwise migrate\n") == 2


def check_page(path: str) -> str:
    """A runbook's text, which has every part, and only commands that there are."""
    page = (CHECKOUT / path).read_text(encoding="utf-8")
    for part in ("What it means", "How to see it", "What to do", "How to know that it is over"):
        assert f"\n## {part}\n" in page
    for command in _COMMAND.findall(page):
        parse(shlex.split(command)[1:])
    return page


def parse(words: list[str]) -> None:
    """Parse a command line as the command does, without running it."""
    command: click.Command = shelfwise
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    os.environ.setdefault("SHELFWISE_ARCHIVE_URL", "file:///srv/archive")
    command.make_context(command.name, words)


def test_there_is_no_page_without_an_alert() -> None:
    """Every one is listed; restoring is what no alert can tell."""
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README", "Restoring"}
    listed = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert pages == set(RULES)
    assert all(f"({name}.md)" in listed for name in RULES)
