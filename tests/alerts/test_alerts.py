"""Each alert fires when real processes are in its condition, after its time and no sooner, and resolves."""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import click
import pytest

from operations.command_line.entry import shelfwise
from tests.alerts.plant import RULES, STORE, Plant, connected, opened_plant
from tests.alerts.promql import Scrape, metrics_of
from tests.alerts.rules import CHECKOUT, Rule, Story, firing
from tests.command_line import inside
from tests.servers import Servers

RUNBOOKS = CHECKOUT / "docs" / "runbooks"
_RECEIVED = UUID(int=9 << 120)
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
_PARK_REACTION = """
INSERT INTO reaction.parked_key (id, reaction, tenant_id, key, state, first_position, attempts, error, next_attempt_at)
SELECT gen_random_uuid(), reaction, tenant_id, gen_random_uuid(), 'dead', 1, 8, 'x', now() FROM reaction.checkpoint
"""
_RECEIVER = """
INSERT INTO write.webhook (tenant_id, webhook_id, version, url, event_types, status, secret_number, created_at)
VALUES ($1, $2, 1, 'https://receiver.invalid/', '{}', 'enabled', 1, now())
"""
_DUE = """
INSERT INTO write.webhook_delivery (tenant_id, delivery_id, webhook_id, event_id, position, type, body, status, version,
                                    attempts, next_attempt_at, created_at)
VALUES ($1, $2, $2, $2, 1, 'order.placed', '', 'pending', 0, 0, now() - interval '10 minutes', now())
"""
_FILE = """
INSERT INTO log.archive (tenant_id, from_position, to_position, uri, events, bytes, sha256, written_at)
VALUES ($1, 1, 1, 'file:///x', 1, 1, repeat('0', 64), now() - interval '10 minutes')
"""


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


async def react_to_nothing(plant: Plant, alerts: tuple[str, ...]) -> tuple[tuple[Scrape, ...], ...]:
    """The reacting worker stops with a key given up on, a message to send, and the log going on."""
    os.kill(plant.reactions.process.pid, signal.SIGSTOP)
    try:
        async with connected(plant.servers.write_admin_url) as write:
            await plant.sell()
            await write.execute(_PARK_REACTION)
            await write.execute(_RECEIVER, STORE, _RECEIVED)
            await write.execute(_DUE, STORE, _RECEIVED)
            try:
                return (await plant.until(*alerts),)
            finally:
                await write.execute("DELETE FROM reaction.parked_key")
                await write.execute("DELETE FROM write.webhook_delivery")
                await write.execute("DELETE FROM write.webhook")
    finally:
        os.kill(plant.reactions.process.pid, signal.SIGCONT)


async def neglect(plant: Plant, alerts: tuple[str, ...]) -> tuple[tuple[Scrape, ...], ...]:
    """A key given up on, a projection left paused, files left lying, dead rows, a session that keeps a log's lock."""
    async with AsyncExitStack() as stack:
        write, waiting, read = [
            await stack.enter_async_context(connected(url))
            for url in (plant.servers.write_admin_url, plant.servers.write_admin_url, plant.servers.read_admin_url)
        ]
        await write.execute(_FILE, STORE)
        await read.execute(_PARK)
        await read.execute("UPDATE projection.checkpoint SET paused = true WHERE name = 'kpis'")
        await read.execute(_DEAD_ROWS)
        held = write.transaction()
        await held.start()
        await write.execute("UPDATE log.tenant_head SET position = position WHERE tenant_id = $1", STORE)
        append = asyncio.create_task(
            waiting.execute("UPDATE log.tenant_head SET position = position WHERE tenant_id = $1", STORE)
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


_Drive = Callable[[Plant, tuple[str, ...]], Awaitable[tuple[tuple[Scrape, ...], ...]]]
_CONDITIONS: tuple[tuple[_Drive, tuple[str, ...]], ...] = (
    (freeze, ("ProjectingRed", "NoProjector", "ShardsWithoutLease", "ProjectionLag", "ProcessSilent")),
    (
        react_to_nothing,
        ("NoReactor", "ReactorShardsWithoutLease", "ReactionLag", "ReactionDeadLetters", "OutboxOverdue"),
    ),
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
        command = inside(command, words.pop(0))
    os.environ.setdefault("SHELFWISE_ARCHIVE_URL", "file:///srv/archive")
    command.make_context(command.name, words)


def test_there_is_no_page_without_an_alert() -> None:
    """Every one is listed; restoring is what no alert can tell."""
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README", "Restoring"}
    listed = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert pages == set(RULES)
    assert all(f"({name}.md)" in listed for name in RULES)
