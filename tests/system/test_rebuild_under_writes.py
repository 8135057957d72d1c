"""A rebuild, and the way back, while the store goes on selling: nobody reads an empty or an older table."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from uuid import UUID

import asyncpg

from projections.registry import PROJECTIONS
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.eventually import eventually
from tests.system.shops import Visitor, good, order, position
from tests.system.verifying import verify

_REBUILT = ("order_list", "order_detail")
_ORDERS_BEFORE = 120
_EVENTS_PER_SECOND = 60
"""So slow that the rebuild takes some seconds of selling and reading."""
_LOOKS_PER_SECOND = 10
_ORDERS_PER_SECOND = 10
_WRITERS = 2
"""Together far slower than the rebuild, or it would never catch up with them on a fast machine."""


async def test_a_rebuild_and_a_rollback_are_seen_by_nobody(shop: Visitor) -> None:
    """Never empty, never backwards, another build and then the same as before, identical at the end."""
    location_id, edition_id = await shop.shelf(10_000)
    wanted = order(location_id, (edition_id, 1))
    placed = [await shop.post("/orders", wanted) for _ in range(_ORDERS_BEFORE)]
    first = good(placed[0])["id"]
    for path in ("/orders", f"/orders/{first}"):
        await shop.ask(path, at=position(placed[-1]))
    is_over = asyncio.Event()
    async with _operator(shop) as operator:
        before = await _builds(operator, shop.tenant.id)
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(_watch_list(shop, is_over)),
                group.create_task(_watch_order(shop, first, is_over)),
            ]
            writers = [group.create_task(_keep_buying(shop, wanted, is_over)) for _ in range(_WRITERS)]
            requests = [await _request(operator, "rebuild", shop.tenant.id, name) for name in _REBUILT]
            try:
                await eventually(lambda: _states(operator, requests), lambda states: states == {"done"})
                after = await _builds(operator, shop.tenant.id)
                returns = [await _request(operator, "rollback", shop.tenant.id, name) for name in _REBUILT]
                await eventually(lambda: _states(operator, returns), lambda states: states == {"done"})
            finally:
                is_over.set()
        returned = await _builds(operator, shop.tenant.id)

    assert sum(task.result() for task in writers) > 0
    assert all(task.result() > _LOOKS_PER_SECOND for task in readers)
    assert all(after[name] > before[name] for name in _REBUILT)
    assert {name for name in after if after[name] != before[name]} == set(_REBUILT)
    assert returned == before
    for verified in await verify(shop.house.servers, shop.tenant.id, *_REBUILT):
        assert verified.identical, verified
        assert verified.rows >= _ORDERS_BEFORE


async def _watch_list(shop: Visitor, is_over: asyncio.Event) -> int:
    """How often it was looked at, through the cache and, by a page size not asked for before, past it."""
    seen_position, seen_count = 0, _ORDERS_BEFORE
    for number in count(1):
        answer = await shop.get(f"/orders?limit={1 + number % 100}")
        rows, meta = good(answer), answer.json()["meta"]
        assert len(rows) == min(1 + number % 100, meta["exact_count"])
        assert meta["exact_count"] >= seen_count, number
        assert meta["position"] >= seen_position, number
        seen_position, seen_count = meta["position"], meta["exact_count"]
        if await _is_over_within(is_over, 1 / _LOOKS_PER_SECOND):
            return number
    raise AssertionError


async def _watch_order(shop: Visitor, order_id: str, is_over: asyncio.Event) -> int:
    seen_position = 0
    for number in count(1):
        answer = await shop.get(f"/orders/{order_id}")
        assert good(answer)["status"] == "placed"
        assert position(answer) >= seen_position, number
        seen_position = position(answer)
        if await _is_over_within(is_over, 1 / _LOOKS_PER_SECOND):
            return number
    raise AssertionError


async def _keep_buying(shop: Visitor, wanted: object, is_over: asyncio.Event) -> int:
    bought = 0
    while not is_over.is_set():
        at = position(await shop.post("/orders", wanted))
        position(await shop.get("/orders?limit=1", at=at, wait=10))
        bought += 1
        await _is_over_within(is_over, 1 / _ORDERS_PER_SECOND)
    return bought


async def _is_over_within(is_over: asyncio.Event, seconds: float) -> bool:
    """Paces whoever looks or buys."""
    try:
        async with asyncio.timeout(seconds):
            return await is_over.wait()
    except TimeoutError:
        return False


@asynccontextmanager
async def _operator(shop: Visitor) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(shop.house.servers.url_as(DatabaseRole.OPERATOR, read=True))
    try:
        yield connection
    finally:
        await connection.close()


async def _request(operator: asyncpg.Connection, kind: str, tenant_id: UUID, name: str) -> UUID:
    """As the command line asks for it."""
    version = next(projection.view.version for projection in PROJECTIONS if projection.view.name == name)
    request_id = new_id()
    options = json.dumps({"rate": _EVENTS_PER_SECOND, "keep_old": True})
    await operator.execute(
        "INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb, 'tests')",
        request_id,
        kind,
        name,
        version,
        tenant_id,
        options,
    )
    return request_id


async def _states(operator: asyncpg.Connection, requests: list[UUID]) -> set[str]:
    rows = await operator.fetch("SELECT state FROM projection.request WHERE id = ANY($1)", requests)
    return {row["state"] for row in rows}


async def _builds(operator: asyncpg.Connection, tenant_id: UUID) -> dict[str, int]:
    rows = await operator.fetch("SELECT name, build FROM read.active_build WHERE tenant_id = $1", tenant_id)
    return {row["name"]: row["build"] for row in rows}
