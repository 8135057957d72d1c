"""Many commands in one request, each done once, or all of them or none."""

from typing import Any, Final

import httpx
import msgspec

from shared_kernel.access.principals import Principal
from shared_kernel.access.roles import Role
from shared_kernel.identifiers import new_id
from tests.builders.write_api import ROOMY, WriteApi, made, open_write_api, order, shelf
from tests.builders.write_side import SilentDoorbell
from tests.servers import Servers
from write_side.batch.commands import BatchItem
from write_side.batch.registry import batch_commands
from write_side.batch.running import Batch, Context
from write_side.command_execution.execution import CommandExecution
from write_side.routes import ROUTES
from write_side.webhooks.signing import WebhookRules

RULES = WebhookRules(secret_key="x" * 32)
LOCATION: Final = {"name": "Attic", "kind": "shop"}


def item(command: str, payload: dict[str, Any], key: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """One command."""
    return {"command": command, "payload": payload, "idempotency_key": key, **more}


def place(location: str, edition: str, quantity: int, key: str) -> dict[str, Any]:
    """One order."""
    return item("place_order", order(location, (edition, quantity)), key)


async def run(api: WriteApi, *items: dict[str, Any], together: bool = False, dry: bool = False) -> dict[str, Any]:
    """The batch's data."""
    headers = {"ShelfWise-Dry-Run": "true"} if dry else {}
    body = {"items": list(items), "all_or_nothing": together}
    return made(await api.post("/batch", body, key=None, headers=headers), status=200)


def outcomes(done: dict[str, Any]) -> list[str]:
    """In the order of the commands."""
    return [one["outcome"] for one in done["items"]]


async def orders_of(api: WriteApi) -> int:
    """How many there are."""
    return sum(one.type == "OrderPlaced" for one in await api.write_side.log())


def test_every_command_of_the_routes_can_be_batched() -> None:
    """The list is the routes' own: what they need is given."""
    named = batch_commands(ROUTES, {"webhook_rules": RULES}, below="/api/v1")
    assert {"place_order", "cancel_order", "create_edition", "receive_stock", "create_webhook"} <= set(named)
    assert "run_batch" not in named


async def test_each_command_has_its_own_outcome(write_api: WriteApi) -> None:
    """One that is refused stops no other; positions are where each ended; problems are what the route would say."""
    location, edition = await shelf(write_api)
    done = await run(
        write_api,
        place(location, edition, 1, "one"),
        place(location, edition, 100, "two"),
        item("no_such_command", {}),
        item("place_order", {"location_id": location}, "four"),
        item("place_order", order(location, (edition, 1))),
        place(location, edition, 2, "six"),
    )
    assert outcomes(done) == ["done", "refused", "refused", "refused", "refused", "done"]
    assert done["complete"] is False
    codes = [one["problem"] and one["problem"]["code"] for one in done["items"]]
    assert codes == [None, "insufficient_stock", "unknown_command", "invalid", "idempotency_key_required", None]
    assert {fault["pointer"] for fault in done["items"][3]["problem"]["errors"]} == {"/channel", "/lines"}
    assert done["items"][5]["position"] == (await write_api.write_side.log())[-1].position
    cancelled = await run(
        write_api, item("cancel_order", {"order_id": done["items"][0]["data"]["id"], "reason": "x"}, "seven")
    )
    assert cancelled["items"][0]["data"]["status"] == "cancelled"


async def test_a_retry_does_nothing_twice(write_api: WriteApi) -> None:
    """Neither as a batch, nor on the command's own route with the same key."""
    location, edition = await shelf(write_api)
    items = [place(location, edition, 1, "a"), place(location, edition, 2, "b")]
    first, again = await run(write_api, *items), await run(write_api, *items)
    assert outcomes(again) == ["replayed", "replayed"]
    assert [one["data"] for one in first["items"]] == [one["data"] for one in again["items"]]
    alone = await write_api.post("/orders", order(location, (edition, 1)), key="a")
    assert alone.headers["Idempotent-Replayed"] == "true"
    assert await orders_of(write_api) == 2


async def test_all_or_nothing(write_api: WriteApi) -> None:
    """One refused undoes all; the copies are free again; done, it is replayed as a whole."""
    location, edition = await shelf(write_api)
    good, bad = place(location, edition, 15, "good"), place(location, edition, 15, "bad")
    before = await write_api.write_side.log()
    undone = await run(write_api, good, bad, place(location, edition, 1, "never"), together=True)
    assert outcomes(undone) == ["undone", "refused", "not_tried"]
    assert await write_api.write_side.log() == before
    done = await run(write_api, good, place(location, edition, 5, "rest"), together=True)
    assert (done["complete"], outcomes(done)) == (True, ["done", "done"])
    log = await write_api.write_side.log()
    placed = [one.position for one in log if one.type == "OrderPlaced"]
    assert done["items"][1]["position"] == log[-1].position
    assert placed[0] < done["items"][0]["position"] < placed[1]
    again = await run(write_api, good, place(location, edition, 5, "rest"), together=True)
    assert outcomes(again) == ["replayed", "replayed"]
    assert [one["position"] for one in again["items"]] == [one["position"] for one in done["items"]]
    mixed = await run(write_api, good, item("open_location", {"name": "New", "kind": "shop"}, "new"), together=True)
    assert mixed["items"][1]["problem"]["code"] == "partly_done_before"
    assert await orders_of(write_api) == 2


async def test_a_transaction_can_be_retried_as_a_whole_or_not_at_all(write_api: WriteApi) -> None:
    """A command without a key among others would have the retry of what was done called partly done."""
    location, edition = await shelf(write_api)
    before = await write_api.write_side.log()
    keyless = item("discontinue_edition", {"edition_id": edition, "reason": "out of print"})
    refused = await run(write_api, place(location, edition, 1, "keyed"), keyless, together=True)
    assert outcomes(refused) == ["not_tried", "refused"]
    assert refused["items"][1]["problem"]["code"] == "idempotency_key_required"
    assert await write_api.write_side.log() == before
    assert (await run(write_api, keyless, together=True))["complete"]


async def test_what_finds_the_database_away_ends_the_batch(write_api: WriteApi) -> None:
    """What comes after could overtake it, and a hundred waits would be longer than any client's."""
    side = write_api.write_side
    impatient = CommandExecution(pool=side.pool, doorbell=SilentDoorbell(), patience_seconds=0.0)
    batch = Batch(impatient, batch_commands(ROUTES, {"webhook_rules": RULES}, below="/api/v1"))
    opening = BatchItem(command="open_location", payload={"name": "Attic", "kind": "shop"}, idempotency_key="attic")
    principal = Principal(id=new_id(), key_id=new_id(), role=Role.OWNER, store=side.tenant, expires_at=None)
    context = Context(principal=principal, request_id="r", traceparent="t", dry_run=False)
    done = await batch.one_by_one([opening] * 3, context)
    await impatient.aclose()
    assert [(one.outcome, one.status) for one in done.items] == [("refused", 503), *[("not_tried", None)] * 2]
    assert not done.complete


async def test_roles_dry_runs_and_bounds(write_api: WriteApi) -> None:
    """Each command is held against its own policy; a dry run changes nothing; a hundred is the most."""
    location, edition = await shelf(write_api)
    clerk = await write_api.another(role=Role.CLERK)
    opening = item("open_location", {"name": "Attic", "kind": "shop"}, "attic")
    mixed = await run(clerk, opening, place(location, edition, 1, "clerk"))
    assert [one["status"] for one in mixed["items"]] == [403, 201]
    before = await write_api.write_side.log()
    for together in (True, False):
        tried = await run(write_api, place(location, edition, 1, "dry"), together=together, dry=True)
        assert (tried["items"][0]["status"], tried["items"][0]["position"]) == (200, None)
    assert await write_api.write_side.log() == before
    too_many = {"items": [opening] * 101}
    assert (await write_api.post("/batch", too_many, key=None)).status_code == 422


async def test_a_batch_costs_what_its_commands_cost(servers: Servers) -> None:
    """What the rate limit does not have for all of them runs none of them; one command costs what it costs alone."""
    # A bucket that takes a minute to fill: no machine is slow enough for it to be full again in between.
    limits = msgspec.structs.replace(ROOMY, key_per_minute=30, key_burst=30)
    async with open_write_api(servers, limits=limits) as api:
        location, edition = await shelf(await api.another())
        clerk = await api.another(role=Role.CLERK)
        body = {"items": [place(location, edition, 1, f"order {number}") for number in range(5)]}
        done = await clerk.post("/batch", body, key=None)
        assert made(done, status=200)["complete"]
        assert 5 <= left_of(done) < 15, "five orders cost five units each"
        again = {"items": [place(location, edition, 1, f"more {number}") for number in range(6)]}
        refused = await clerk.post("/batch", again, key=None)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) >= 1
        assert await orders_of(api) == 5
        owner = await api.another()
        opened = await owner.post("/batch", {"items": [item("open_location", LOCATION, "attic")]}, key=None)
        alone = await (await api.another()).post("/locations", LOCATION)
        assert left_of(opened) == left_of(alone) == 28


def left_of(answer: httpx.Response) -> int:
    """How many units the limit has left."""
    return int(answer.headers["RateLimit"].split(";r=")[1].split(";")[0])
