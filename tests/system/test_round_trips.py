"""How often each operation asks PostgreSQL and Redis: exact, listed here, and the same however much there is of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import httpx

from read_side.app import Overrides, ReadApiSettings, create_app
from read_side.routes import ROUTES as QUERIES
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.builders.one_of_everything import fill, measured
from tests.builders.projecting import projected, running_projector
from tests.builders.write_api import ROOMY, open_write_api, running_client
from tests.builders.write_side import WriteSide, open_write_side
from tests.eventually import eventually
from tests.round_trips import MAX_REPEATED, ROUND_TRIPS
from tests.servers import Servers
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.commands import OpenLocation
from write_side.inventory.handlers import open_location
from write_side.routes import ROUTES as COMMANDS

PAGE: Final = (1, 1)
"""One look at Redis; on a miss one statement with tenant, state and rows."""
SUM: Final = (4, 1)
"""On a miss begin, state, rows, end: it may take its time once the database has answered."""
SEARCH: Final = (5, 1)
"""The same with two statements: which words are meant, then which editions."""
CACHED: Final = (0, 1)
PERSONAL: Final = (5, 1)
"""A transaction with two statements, rows and names; never cached, for names are kept in one place."""
FROZEN: Final = (7, 1)
"""Begin, builds, end, and then begin, state, row, end; cached by the minute, for it expires."""
LIVE: Final = (0, 2)
"""The limits, and where all the views asked for stand; what is told afterwards is looked up once for all who listen."""

COMMAND: Final = (5, 1)
"""The limits; then begin with tenant and claim, load, save, append with the answer, commit: for any number of lines."""
UNLOCKED: Final = (2, 1)
"""The limits; then one statement that reads, and one that compares, writes everything and commits by itself."""
INSERT: Final = (4, 1)
"""One statement of its own: nothing to load, or nothing to save."""
TWO_STEPS: Final = (6, 1)
"""One more of its own: what is locked first says what is locked next."""
THREE_STEPS: Final = (7, 1)
"""And one that opens accounts, or serves who waits."""

FOUND: Final = (10, 1)
"""The plan, kept before anybody was asked, is found; then what came of it, in a transaction of its own."""

# Round trips to PostgreSQL and to Redis, of a query that nobody has asked before; asked again, each is CACHED.
READS: Final[Mapping[str, tuple[int, int]]] = {
    "store": PAGE,
    "locations": PAGE,
    "edition": CACHED,
    "editions": PAGE,
    "search": SEARCH,
    "edition_stock": CACHED,
    "stock": PAGE,
    "low_stock": PAGE,
    "valuation": SUM,
    "stock_movements": PAGE,
    "orders": PAGE,
    "order": CACHED,
    "order_timeline": PAGE,
    "fulfilments": PAGE,
    "holds": PAGE,
    "store_counts": CACHED,
    "customers": PERSONAL,
    "customer": PERSONAL,
    "payments": PAGE,
    "webhooks": PAGE,
    "webhook_deliveries": PAGE,
    "sales": SUM,
    "best_sellers": SUM,
    "kpis": SUM,
    "store_snapshot": FROZEN,
    "live": LIVE,
}
# Of a command that succeeds.
WRITES: Final[Mapping[str, tuple[int, int]]] = {
    "create_edition": COMMAND,
    "revise_edition": COMMAND,
    "price_edition": COMMAND,
    "discontinue_edition": COMMAND,
    "open_location": INSERT,
    "receive_stock": TWO_STEPS,
    "adjust_stock": TWO_STEPS,
    "count_stock": TWO_STEPS,
    "transfer_stock": TWO_STEPS,
    "place_hold": THREE_STEPS,
    "place_special_order": THREE_STEPS,
    "cancel_hold": THREE_STEPS,
    "place_order": UNLOCKED,
    "fulfil_order": TWO_STEPS,
    "cancel_order": TWO_STEPS,
    "return_from_order": TWO_STEPS,
    "return_goods": TWO_STEPS,
    "create_webhook": TWO_STEPS,
    "show_webhook_secret": INSERT,
    "rotate_webhook_secret": COMMAND,
    "disable_webhook": TWO_STEPS,
    "enable_webhook": TWO_STEPS,
    "replay_deliveries": COMMAND,
    "delete_webhook": TWO_STEPS,
    "capture_payment": FOUND,
    "refund_payment": FOUND,
    "receive_callback": (5, 0),
    "request_snapshot": TWO_STEPS,
    "register_customer": COMMAND,
    "revise_customer": (8, 1),
    "erase_customer": (8, 1),
    "run_batch": (
        8,
        2,
    ),  # of two commands, each with round trips of its own; what they cost is drawn once they are read
}


def _names(routes: Any) -> set[str]:  # noqa: ANN401 - either side's
    return {route.fn.__name__ for route in routes}


def test_every_operation_is_listed() -> None:
    """Who adds a route says here what it costs."""
    assert set(READS) | set(WRITES) == _names(QUERIES) | {"search"} | _names(COMMANDS)


@asynccontextmanager
async def _read_api(servers: Servers) -> AsyncIterator[httpx.AsyncClient]:
    settings = ReadApiSettings(
        read_database_url=servers.url_as(DatabaseRole.READ_API),
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
    )
    async with running_client(create_app(settings, Overrides(limits=ROOMY))) as client:
        yield client


async def test_every_operation_makes_exactly_these_round_trips(servers: Servers) -> None:
    """Commands that succeed; queries that nobody has asked before, and the same again."""
    reads: dict[str, tuple[int, int]] = {}
    async with open_write_api(servers) as api:
        filled = await fill(api)
        async with running_projector(servers), _read_api(servers) as client:
            await projected(servers)
            bearer = {"Authorization": f"Bearer {api.key.key}"}
            await client.get("/api/v1/locations?limit=98", headers=bearer)  # Redis learns the script
            for name, path in _paths(filled.ids).items():
                # The key is known for some seconds, and the view's build once something of it was shown.
                await client.get(f"/api/v1{_another(path)}", headers=bearer)
                get = partial(client.get, f"/api/v1{path}", headers=bearer)
                answer, reads[name] = await measured(get)
                assert answer.status_code == 200, (name, answer.text)
                if READS[name] not in {PERSONAL, FROZEN, LIVE}:
                    await eventually(get, _is_from_cache)
                    assert (await measured(get))[1] == CACHED, name

    listed = {**WRITES, **READS}
    other = {name: count for name, count in (filled.costs | reads).items() if count != listed[name]}
    assert not other, f"counted, and listed otherwise: {other}"


def _paths(ids: Mapping[str, str]) -> dict[str, str]:
    """A request for each query."""
    paths = {}
    for route in QUERIES:
        path = next(iter(route.paths))
        for name, value in ids.items():
            path = path.replace(f"{{{name}:uuid}}", value)
        paths[route.fn.__name__] = path
    return {**paths, "search": "/editions?q=emma", "live": "/live?views=orders,stock,store&seconds=0"}


def _another(path: str) -> str:
    """A request for the same view that leaves this one unasked."""
    if path.startswith("/snapshots/"):
        return f"/snapshots/{new_id()}"
    return f"{path}{'&' if '?' in path else '?'}limit=99"


def _is_from_cache(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.json()["meta"]["source"] == "cache"


async def test_a_loop_of_statements_is_caught(servers: Servers) -> None:
    """A planted N+1: a handler that asks for each of four things by itself."""

    async def one_by_one(work: UnitOfWork) -> Outcome:
        for number in range(MAX_REPEATED + 1):
            await work.connection.fetchval("SELECT $1::int", number)
        return await open_location(OpenLocation(name="Shop", kind="shop"), work)

    async with open_write_side(servers) as side:
        ROUND_TRIPS.begin()
        await _run(side, one_by_one)
        assert ROUND_TRIPS.repeated() == ["SELECT $1::int"]
        ROUND_TRIPS.begin()
        for _ in range(MAX_REPEATED + 1):
            await _run(side, partial(open_location, OpenLocation(name="Shop", kind="shop")))
        assert ROUND_TRIPS.repeated() == [], "many commands are not one"


async def _run(side: WriteSide, decide: Any) -> None:  # noqa: ANN401 - a handler
    await side.run(decide)
