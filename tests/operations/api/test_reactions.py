"""A key of a reaction that waits: seen, tried in vain, tried again, skipped; by HTTP and at the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from operations.reacting.standing import labour_verdict, outbox_verdict, parked_verdict
from shared_kernel.events.orders import OrderPlaced
from shared_kernel.monitor.reacting import Labour, OutboxSight, Reacting, ReactionSight
from tests.builders.operations_api import Operator
from tests.builders.reacting import opened_once_for, opening, running_reactions
from tests.builders.write_side import WriteSide, open_write_side
from tests.command_line import Finished, on_servers
from tests.eventually import eventually

_PATH = "/reactions/dead-letters"
_HURRY = """
UPDATE reaction.parked_key SET next_attempt_at = now(), attempts = greatest(attempts, 7) WHERE state = 'retrying'
"""
_WAIT = "UPDATE reaction.parked_key SET state = 'retrying', next_attempt_at = now() + interval '1 hour'"
_STATES = "SELECT state FROM reaction.parked_key"


class Poison:
    """Fails for orders of seven copies, until it is healed."""

    def __init__(self) -> None:
        self.is_healed = False

    def __call__(self, order: OrderPlaced) -> None:
        """Raise for some."""
        if order.item_count == 7 and not self.is_healed:
            message = "poison"
            raise ValueError(message)


class Waiting:
    """A store in which everything waits behind one order that cannot be reacted to."""

    def __init__(self, side: WriteSide, poison: Poison, numbers: list[str]) -> None:
        self.side = side
        self.poison = poison
        self.poisoned, *self.numbers = numbers

    async def states(self) -> list[str]:
        """Of the keys that wait; none waits for its time, and the next attempt is the last."""
        await self.side.as_administrator(_HURRY)
        return [row["state"] for row in await self.side.as_administrator(_STATES)]

    async def until_dead(self) -> None:
        """Every attempt has been made."""
        await eventually(self.states, lambda found: found == ["dead"], within_seconds=60)


@asynccontextmanager
async def waiting(operator: Operator) -> AsyncIterator[Waiting]:
    """One dead key, and two orders behind it."""
    async with open_write_side(operator.servers) as side:
        poison = Poison()
        in_turn = msgspec.structs.replace(opening(before=poison, begins="beginning"), key=lambda one: one.tenant_id)
        location, edition = await side.location(), await side.edition()
        await side.receive(location, edition, 500)
        numbers = [(await side.place(location, [(edition, count)])).number for count in (7, 1, 2)]
        async with running_reactions(operator.servers, in_turn):
            store = Waiting(side, poison, numbers)
            await store.until_dead()
            yield store


async def letter_of(operator: Operator) -> dict[str, Any]:
    """The only one."""
    (letter,) = (await operator.ask(_PATH))["dead_letters"]
    return dict(letter)


async def test_a_dead_key_is_seen_tried_in_vain_and_skipped(operator: Operator) -> None:
    """What waits behind it is reacted to in order; who skipped it and why is kept, and every call is in the audit."""
    async with waiting(operator) as store:
        letter = await letter_of(operator)
        seen = {name: letter[name] for name in ("reaction", "tenant", "state", "attempts", "waiting")}
        tenant = store.side.tenant.slug
        assert seen == {"reaction": "opening", "tenant": tenant, "state": "dead", "attempts": 8, "waiting": 3}
        assert letter["error"].startswith("ValueError at ")
        one = f"{_PATH}/{letter['id']}"
        events = (await operator.ask(one))["events"]
        assert [event["payload"]["number"] for event in events] == [store.poisoned, *store.numbers]

        await store.side.as_administrator(_WAIT)
        refused = await operator.post(f"{one}/skip", {"why": "x"})
        assert (refused.status_code, "tried by itself" in refused.json()["detail"]) == (409, True)
        await store.until_dead()
        assert (await operator.get(f"{_PATH}/{store.side.tenant.id}")).status_code == 409
        assert (await operator.get(f"{_PATH}?tenant=nobody")).status_code == 404
        assert (await operator.post(f"{one}/skip", {"why": " "})).status_code == 422

        assert (await operator.call(f"{one}/retry"))["state"] == "retrying"
        await store.until_dead()
        assert (await operator.call(f"{one}/skip", {"why": "nobody is there"}))["kind"] == "skip"
        await opened_once_for(store.side, store.numbers, within_seconds=60)
        await eventually(store.states, lambda found: not found, within_seconds=60)
        gone = await operator.get(one)
        assert (gone.status_code, "skipped by operator:" in gone.json()["detail"]) == (409, True)
        (row,) = await store.side.as_administrator("SELECT skipped_by, why FROM reaction.skipped_event")
        assert (row["skipped_by"].startswith("operator:"), row["why"]) == (True, "nobody is there")
    assert await operator.entries() == [
        ("skip_reaction", "asked"),
        ("skip_reaction", "refused"),
        ("retry_reaction", "asked"),
        ("retry_reaction", "done"),
        ("skip_reaction", "asked"),
        ("skip_reaction", "done"),
    ]


async def test_a_healed_reaction_is_retried_at_the_command_line(operator: Operator, tmp_path: Path) -> None:
    """`doctor` says that it waits; in vain it exits with 1, and what is healed follows in order."""
    command_line = on_servers(operator.servers, tmp_path)

    async def shelfwise(*words: str) -> Finished:
        return await asyncio.to_thread(command_line.run, *words, "--json")  # the worker is in this process

    async with waiting(operator) as store:
        doctor = (await shelfwise("doctor")).answer
        told = {one["name"]: (one["ok"], one["detail"]) for one in doctor["checks"]}
        assert told["parked reactions"][0] is False
        assert told["parked reactions"][1].startswith("opening: 1 dead, 0 retrying")
        assert told["outboxes"] == (True, "mail: 0 due, webhooks: 0 due")
        listed = (await shelfwise("reactions", "dead-letters", "list", "--tenant", store.side.tenant.slug)).answer
        (letter,) = listed["dead_letters"]
        store.poison.is_healed = True
        retried = (await shelfwise("reactions", "dead-letters", "retry", letter["id"])).answer
        assert retried["state"] in {"healed", "waiting"}
        await opened_once_for(store.side, [store.poisoned, *store.numbers], within_seconds=60)
        assert (await shelfwise("reactions", "dead-letters", "retry", letter["id"])).code == 1
        gone = await operator.get(f"{_PATH}/{letter['id']}")
        assert (gone.status_code, "a healed one is gone" in gone.json()["detail"]) == (409, True)
        everybody = {"workers": 1, "shards": 16, "held_shards": 16}
        status = await eventually(
            lambda: operator.ask("/reactions"),
            lambda seen: not _parked(seen) and seen["labour"] == everybody,  # a busy machine renews leases late
            within_seconds=60,
        )
        assert [one["name"] for one in status["outboxes"]] == ["mail", "webhooks"]
    entered = await operator.entries()
    assert entered == [("retry_reaction", phase) for phase in ("asked", "done", "asked", "refused")]


def _parked(status: dict[str, Any]) -> bool:
    return any(one["dead"] or one["retrying"] for one in status["reactions"])


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        ({}, (True, True, True)),
        ({"labour": Labour(workers=0, shards=16, held_shards=0)}, (False, True, True)),
        ({"labour": Labour(workers=1, shards=16, held_shards=15)}, (False, True, True)),
        (
            {"reactions": (ReactionSight(name="x", tenants=1, lag_events=0, lag_seconds=0, dead=0, retrying=1),)},
            (True, False, True),
        ),
        ({"outboxes": (OutboxSight(name="mail", due=1, overdue_seconds=61.0),)}, (True, True, False)),
    ],
)
def test_each_thing_that_is_wrong_is_told_by_its_own_line(
    change: dict[str, object], verdicts: tuple[bool, bool, bool]
) -> None:
    """Who reacts, what is parked, what is due."""
    labour = Labour(workers=1, shards=16, held_shards=16)
    now = msgspec.structs.replace(Reacting(reactions=(), outboxes=(), labour=labour), **change)
    assert (labour_verdict(now)[0], parked_verdict(now)[0], outbox_verdict(now)[0]) == verdicts
