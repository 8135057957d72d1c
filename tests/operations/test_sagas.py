"""Orders that ask for attention, helped at the command line and over HTTP: once, and entered in the audit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared_kernel.identifiers import new_id
from tests.builders.operations_api import open_operations_api
from tests.builders.paying import PRICE_MINOR, PaidStore, open_paid_store
from tests.command_line import CommandLine, Finished, on_servers
from tests.servers import Servers
from write_side.orders.commands import OrderDecided

_TURNS = 8
_WHY = "the bank was asked"


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[PaidStore]:
    """With a provider of its own."""
    async with open_paid_store(servers) as opened:
        yield opened


async def refused(store: PaidStore, count: int) -> list[OrderDecided]:
    """Orders that left, and whose capture the provider then refused."""
    orders = [await store.order() for _ in range(count)]
    await store.settle_down()
    await store.sandbox.misbehave("decline", on="capture", times=count)
    for order in orders:
        await store.fulfil(order)
    for _ in range(_TURNS):
        await store.settle_down()
        await store.write_side.as_administrator("UPDATE write.order_saga SET due_at = now() WHERE state = 'running'")
    return orders


async def audited(store: PaidStore) -> list[tuple[str, str, str, str]]:
    """Who did what, to which order, and what came of it."""
    connection = await asyncpg.connect(store.write_side.servers.write_admin_url)
    try:
        rows = await connection.fetch(
            "SELECT actor, action, target->>'order' AS subject, phase FROM operations.audit"
            " WHERE action IN ('retry_saga', 'resolve_saga') ORDER BY entry"
        )
    finally:
        await connection.close()
    return [(row["actor"].partition(":")[0], row["action"], row["subject"], row["phase"]) for row in rows]


async def run(shelfwise: CommandLine, *arguments: object) -> Finished:
    """`shelfwise sagas …`, in a process of its own."""
    return await asyncio.to_thread(shelfwise.run, "sagas", *map(str, arguments))


async def test_the_command_line_lists_shows_retries_and_resolves(store: PaidStore, tmp_path: Path) -> None:
    """What was refused is asked for anew; what was settled by hand is closed; neither happens a second time."""
    waiting, lost = await refused(store, 2)
    await store.order()
    await store.hear()
    shelfwise = on_servers(store.write_side.servers, tmp_path)

    chosen = ("--state", "needs_attention", "--tenant", store.write_side.tenant.slug)
    listed = (await run(shelfwise, "list", *chosen, "--json")).answer["sagas"]
    assert {one["order_id"] for one in listed} == {str(waiting.id), str(lost.id)}
    assert all("capture" in one["failure"] for one in listed)

    tried = await run(shelfwise, "retry", waiting.id, "--why", _WHY)
    assert (tried.code, tried.stdout) == (0, f"the saga of {waiting.id} is running\n")
    await store.settle_down()
    assert (await store.standing(waiting)).saga == "completed"
    [intent] = await store.at_provider(waiting)
    assert intent.net == PRICE_MINOR

    again, closed = await asyncio.gather(
        run(shelfwise, "retry", waiting.id, "--why", _WHY, "--json"),
        run(shelfwise, "resolve", lost.id, "--why", "paid in cash", "--json"),
    )
    assert again.code == 1
    assert "only one that needs attention can be changed by hand" in again.answer["error"]
    assert (closed.code, closed.answer) == (0, {"order_id": str(lost.id), "state": "resolved"})
    shown = (await run(shelfwise, "show", lost.id, "--json")).answer
    assert (shown["steps"][-1]["step"], shown["steps"][-1]["note"]) == ("resolve", "paid in cash")
    assert [(one["kind"], one["status"]) for one in shown["operations"]] == [
        ("authorize", "settled"),
        ("capture", "written_off"),
    ]
    entered = await audited(store)
    assert entered[:2] == [("command-line", "retry_saga", f"{waiting.id}", phase) for phase in ("asked", "done")]
    assert sorted(entered[2:]) == [
        ("command-line", "resolve_saga", f"{lost.id}", "asked"),
        ("command-line", "resolve_saga", f"{lost.id}", "done"),
        ("command-line", "retry_saga", f"{waiting.id}", "asked"),
        ("command-line", "retry_saga", f"{waiting.id}", "refused"),
    ]


async def test_the_operators_api_does_the_same(store: PaidStore) -> None:
    """Under its Idempotency-Key a retry is answered again and done once."""
    waiting, lost = await refused(store, 2)
    async with open_operations_api(store.write_side.servers) as operator:
        listed = await operator.ask(f"/sagas?state=needs_attention&tenant={store.write_side.tenant.slug}")
        assert {one["order_id"] for one in listed["sagas"]} == {str(waiting.id), str(lost.id)}
        assert (await operator.ask("/sagas?state=compensated"))["sagas"] == []

        retry = f"/sagas/{waiting.id}/retry"
        told: list[Any] = [await operator.post(retry, {"why": _WHY}, idempotency_key="try") for _ in range(2)]
        assert [answer.status_code for answer in told] == [200, 200]
        assert told[1].headers["Idempotent-Replayed"] == "true"
        await store.settle_down()
        assert (await store.standing(waiting)).saga == "completed"
        late = await operator.post(retry, {"why": _WHY})
        assert (late.status_code, late.json()["code"]) == (409, "saga_not_waiting")

        closed = await operator.call(f"/sagas/{lost.id}/resolution", {"why": "paid in cash"})
        assert closed == {"order_id": str(lost.id), "state": "resolved"}
        shown = await operator.ask(f"/sagas/{lost.id}")
        assert (shown["steps"][-1]["step"], shown["operations"][-1]["status"]) == ("resolve", "written_off")
        for answer in (
            await operator.get(f"/sagas/{new_id()}"),
            await operator.post(f"/sagas/{new_id()}/retry", {"why": "x"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "saga_not_found")
        nothing = await operator.post(f"/sagas/{lost.id}/retry", {"why": " "})
        assert nothing.status_code == 422
    assert [(action, phase) for _, action, subject, phase in await audited(store) if subject == f"{waiting.id}"] == [
        ("retry_saga", "asked"),
        ("retry_saga", "done"),
        ("retry_saga", "asked"),
        ("retry_saga", "refused"),
    ]
    [intent] = await store.at_provider(waiting)
    assert intent.net == PRICE_MINOR
