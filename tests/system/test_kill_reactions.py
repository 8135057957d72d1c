"""A reacting worker killed anywhere has lost no effect and doubled none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from tests.builders.reacting import opened_once_for, reactions_settings
from tests.builders.receiving import receiver
from tests.builders.write_api import WriteApi, made, open_write_api, order, shelf
from tests.builders.write_side import open_write_side
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.faulty_reactions import TELLING
from tests.system.killing import death_of
from write_side.reactions.fault_points import FaultPoint
from write_side.webhooks.delivering import DeliveryPoint

LEASE_SECONDS = 0.4
KILLS = [(point, 1) for point in FaultPoint] + [(FaultPoint.CHECKPOINT, 2), (FaultPoint.COMMIT, 3)]


@contextmanager
def reacting(servers: Servers, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, which dies where the arguments say."""
    settings = reactions_settings(servers, parent_pid=os.getpid(), lease_seconds=LEASE_SECONDS)
    environment = {f"SHELFWISE_{name.upper()}": f"{value}" for name, value in msgspec.structs.asdict(settings).items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.system.faulty_reactions", *arguments],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def test_killed_at_every_step_a_reaction_has_each_effect_once(servers: Servers) -> None:
    """Each of the exported steps once, some later; an event that fails once is among those reacted to each time."""
    assert {point for point, _ in KILLS} == set(FaultPoint)
    async with open_write_side(servers) as side:
        location, edition = await side.location(), await side.edition()
        await side.receive(location, edition, 500)
        numbers: list[str] = []
        for point, passage in KILLS:
            numbers += [(await side.place(location, [(edition, count)])).number for count in (1, 7, 2)]
            with reacting(servers, point, f"{passage}") as process:
                assert await death_of(process, within_seconds=60) == -signal.SIGKILL
        with reacting(servers):
            await opened_once_for(side, numbers, within_seconds=60)


async def test_killed_at_every_step_of_a_delivery_a_receiver_hears_of_everything(servers: Servers) -> None:
    """Each message at least once, and twice only under the same id, where the kill came just after sending."""
    async with open_write_api(servers) as api, receiver() as target:
        location, edition = await shelf(api)
        with reacting(servers, TELLING):
            await eventually(lambda: _is_subscribed(api))
        made(await api.post("/webhooks", {"url": target.url, "event_types": ["order.placed"]}))
        numbers = []
        for point in DeliveryPoint:
            numbers += [made(await api.post("/orders", order(location, (edition, 1))))["number"] for _ in range(2)]
            with reacting(servers, point, "1") as process:
                assert await death_of(process, within_seconds=60) == -signal.SIGKILL

        async def undelivered() -> list[str]:
            rows = await api.write_side.as_administrator("SELECT status FROM write.webhook_delivery")
            return ["missing"] * (len(numbers) - len(rows)) + [row["status"] for row in rows if row[0] != "delivered"]

        with reacting(servers, TELLING):
            await eventually(undelivered, lambda left: not left, within_seconds=60)
        told = {one.id: msgspec.json.decode(one.body)["data"]["number"] for one in target.received}
        assert sorted(told.values()) == sorted(numbers)
        assert len(target.received) - len(told) <= len(DeliveryPoint)


async def _is_subscribed(api: WriteApi) -> bool:
    return bool(await api.write_side.as_administrator("SELECT FROM reaction.subscription WHERE reaction = 'webhooks'"))
