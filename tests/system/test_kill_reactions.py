"""A reacting worker killed anywhere has lost no effect and doubled none."""

import ast
import os
import random
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

import write_side
from tests.servers import Servers
from tests.system.reacting_stores import reacting_stores
from write_side.customers.showing import ShowingPoint
from write_side.mail.sending import MailPoint
from write_side.order_saga.fault_points import FAULT_POINTS as SAGA_FAULT_POINTS
from write_side.reactions.fault_points import FaultPoint
from write_side.subscribers import FAULT_POINTS
from write_side.webhooks.delivering import DeliveryPoint

_SEED_VARIABLE = "SHELFWISE_REACTIONS_SEED"
_KILLS_VARIABLE = "SHELFWISE_KILLS"
_KILLS_A_TURN = 20
_LISTS: tuple[type[StrEnum], ...] = (FaultPoint, DeliveryPoint, MailPoint, ShowingPoint)


def _reached() -> Iterator[str]:
    """Every `….reach(List.POINT)` of the write side, as it is written."""
    for path in sorted(Path(write_side.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reach":
                yield ast.unparse(node.args[0])


def test_every_point_is_exported_and_every_exported_point_is_passed() -> None:
    """What is reached by name is listed, and what is listed is reached; the saga's are worked out, and its own."""
    named = {one for one in _reached() if "(" not in one}
    assert named == {f"{type(point).__name__}.{point.name}" for point in FAULT_POINTS}
    assert {type(point) for point in FAULT_POINTS} == set(_LISTS)
    assert not {point.value for point in FAULT_POINTS} & {point.value for point in SAGA_FAULT_POINTS}


async def test_killed_at_every_step_nothing_is_lost_and_nothing_doubled(servers: Servers) -> None:
    """Each exported point once and some later, by workers that race each other, while everything happens at once."""
    deaths = [f"{point.value}:1" for point in FAULT_POINTS]
    deaths += [f"{FaultPoint.CHECKPOINT}:2", f"{FaultPoint.COMMIT}:3"]
    async with reacting_stores(servers) as stores:
        await stores.kill_along(deaths, within_seconds=180)
        await stores.check()


@pytest.mark.reactions_campaign
async def test_random_kills_lose_nothing_and_double_nothing(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same at random points and passages, from a seed that is told, as many as are asked for."""
    seed, kills = int(os.environ.get(_SEED_VARIABLE, "1")), int(os.environ.get(_KILLS_VARIABLE, "200"))
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    async with reacting_stores(servers) as stores:
        for done in range(0, kills, _KILLS_A_TURN):
            turn = min(_KILLS_A_TURN, kills - done)
            deaths = [f"{rng.choice(FAULT_POINTS).value}:{rng.randint(1, 6)}" for _ in range(turn)]
            await stores.kill_along(deaths, within_seconds=600)
            await stores.check()
            with capsys.disabled():
                sys.stdout.write(f"\rseed {seed}: {done + turn} of {kills} kills   ")
                sys.stdout.flush()
