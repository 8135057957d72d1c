"""`make bench ONLY=e2e`: from an order's commit to its row in the API, at a steady rate of orders."""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus

import asyncpg
import msgspec

from benchmarks.bodies import order_bodies
from benchmarks.floors.writing import AUDIT_TABLE
from benchmarks.load.running import LoadGenerator
from benchmarks.load.wire import AnswerFailed, WireClient
from benchmarks.machine import Cores
from benchmarks.place import Place, Site
from benchmarks.processes import running, serving
from benchmarks.projecting.by_hand import TABLES
from benchmarks.projector import projector, projector_log, wait_until_projected
from benchmarks.rounds import Effort, Row, note
from benchmarks.settling import settle
from benchmarks.statistics import percentile
from benchmarks.stores import BenchStore, write_stores
from shared_kernel.database.roles import DatabaseRole

RATE_PER_SECOND = 300
_STORES = 10
_EDITIONS = 200
_BODIES = 50
_SAMPLED = 3
"""Every third order is watched: watching all would measure the watching."""
_SUMS_SAMPLED = 31
"""And after so many, of ten stores in turn, it is watched how long sums take that show many orders at a time."""
_SECONDS = 10.0
_UP_TO_DATE_SECONDS = 120.0
_CONNECTIONS = 32
_TRIES = 12
"""Of five seconds each: a projector that falls behind is to be seen in the figures, not to end the run."""


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """How one contender is asked: where orders go, and where one is seen."""

    key: str
    write_port: int
    read_port: int
    floor: bool


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """From commit to visible, in seconds: of orders, and of the sums they are in."""

    orders: list[float]
    sums: list[float]


class _Placed(msgspec.Struct, frozen=True, kw_only=True):
    id: str


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    data: _Placed


def measure(site: Site, _generator: LoadGenerator, cores: Cores, effort: Effort) -> list[Row]:
    """ShelfWise and the floor in turn, each with its own projector, which hints wake."""
    values: dict[str, list[float]] = {}
    for turn in range(effort.rounds):
        for run in (_shelfwise, _floor):
            key, latencies = run(site, cores, effort, turn)
            for what, found in ((key, latencies.orders), (f"{key}.sums", latencies.sums)):
                if found:
                    p50, p99 = percentile(found, 0.5) * 1000, percentile(found, 0.99) * 1000
                    values.setdefault(f"{what}.p50", []).append(p50)
                    values.setdefault(f"{what}.p99", []).append(p99)
                    note(f"{what}: {len(found)} watched, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    text = f"commit to visible at {RATE_PER_SECOND} orders/s"
    return [Row(key=key, unit="ms", values=tuple(found), note=text) for key, found in values.items()]


def _shelfwise(site: Site, cores: Cores, effort: Effort, turn: int) -> tuple[str, Latencies]:
    place = site.place("e2e", redis_database=7)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * _STORES, editions=_EDITIONS))
    with ExitStack() as stack:
        stack.enter_context(projector(place, site.folder))
        wait_until_projected(place, projector_log(site.folder), seconds=_UP_TO_DATE_SECONDS)
        asyncio.run(settle(place))
        ports = [
            stack.enter_context(serving(app, core=cores.server, variables=variables, folder=site.folder)).port
            for app, variables in (
                ("write_side.app:app", place.write_api()),
                ("read_side.app:app", place.read_api()),
            )
        ]
        path = Path(key="e2e.shelfwise", write_port=ports[0], read_port=ports[1], floor=False)
        return path.key, asyncio.run(_watch(path, stores, seconds=_SECONDS * effort.scale, turn=turn))


def _floor(site: Site, cores: Cores, effort: Effort, turn: int) -> tuple[str, Latencies]:
    place = site.place("e2e_floor", redis_database=8)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * _STORES, editions=_EDITIONS))
    asyncio.run(_execute(place, AUDIT_TABLE + TABLES))
    variables = {
        "BENCH_WRITE_URL": place.url_as(DatabaseRole.WRITE_API, read=False),
        "BENCH_REDIS_URL": place.redis_url,
    }
    by_hand = {**variables, "BENCH_WRITE_URL": place.write_admin_url, "BENCH_FOLLOW": "1"}
    program = [sys.executable, "-m", "benchmarks.projecting.by_hand"]
    with ExitStack() as stack:
        stack.enter_context(running(program, core=None, variables=by_hand, log=site.folder / "by-hand.log"))
        asyncio.run(settle(place))
        app = "benchmarks.floors.writing:app"
        ports = [
            stack.enter_context(serving(app, core=cores.server, variables=variables, folder=site.folder)).port
            for _ in range(2)
        ]
        path = Path(key="e2e.floor", write_port=ports[0], read_port=ports[1], floor=True)
        return path.key, asyncio.run(_watch(path, stores, seconds=_SECONDS * effort.scale, turn=turn))


async def _watch(path: Path, stores: Sequence[BenchStore], *, seconds: float, turn: int) -> Latencies:
    """Place orders at the rate, whatever the answers take, and watch every third until it is visible."""
    bodies = [order_bodies(store, _BODIES) for store in stores]
    await watched_orders(path, stores, bodies, count=RATE_PER_SECOND, label=f"warm-{turn}")
    return await watched_orders(path, stores, bodies, count=round(seconds * RATE_PER_SECOND), label=f"watch-{turn}")


async def watched_orders(
    path: Path,
    stores: Sequence[BenchStore],
    bodies: Sequence[Sequence[bytes]],
    *,
    count: int,
    label: str,
    rate_per_second: int = RATE_PER_SECOND,
    sampled: int = _SAMPLED,
) -> Latencies:
    """Place so many orders at the rate, and see when they are shown: one in so many as are `sampled`, and few sums."""
    latencies = Latencies(orders=[], sums=[])
    async with WireClient(path.write_port, _CONNECTIONS) as write, WireClient(path.read_port, _CONNECTIONS) as read:

        async def one(number: int) -> None:
            store = stores[number % len(stores)]
            its = bodies[number % len(stores)]
            body = its[number // len(stores) % len(its)]
            order_id, position = await _place(path, write, store, body, key=f"{label}-{number}")
            committed = time.perf_counter()
            if number % sampled == 0:
                await _see(path, read, store, f"orders/{order_id}", position=position)
                latencies.orders.append(time.perf_counter() - committed)
            elif number % _SUMS_SAMPLED == 1 and not path.floor:
                await _see(path, read, store, "sales?by=day", position=position)
                latencies.sums.append(time.perf_counter() - committed)

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(max(0.0, started + number / rate_per_second - time.perf_counter()))
                group.create_task(one(number))
    return latencies


async def _place(path: Path, write: WireClient, store: BenchStore, body: bytes, *, key: str) -> tuple[str, str]:
    if path.floor:
        fields, answer = await write.ask("POST", f"/orders/{store.tenant_id}", {"Idempotency-Key": key}, body)
        return msgspec.json.decode(answer, type=_Placed).id, ""
    headers = store.authorization | {"Idempotency-Key": key}
    for _ in range(_TRIES - 1):
        try:
            fields, answer = await write.ask("POST", "/api/v1/orders", headers, body)
        except AnswerFailed as error:  # a commit that took too long: its key tells what became of it
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        else:
            break
    else:
        fields, answer = await write.ask("POST", "/api/v1/orders", headers, body)
    return msgspec.json.decode(answer, type=_Envelope).data.id, fields["shelfwise-position"]


async def _see(path: Path, read: WireClient, store: BenchStore, what: str, *, position: str) -> None:
    if path.floor:
        await read.ask("GET", f"/{what}", {})
        return
    headers = store.authorization | {"ShelfWise-Min-Position": position, "Prefer": "wait=5"}
    for _ in range(_TRIES - 1):
        try:
            await read.ask("GET", f"/api/v1/{what}", headers)
        except AnswerFailed as error:
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        else:
            return
    await read.ask("GET", f"/api/v1/{what}", headers)


async def _execute(place: Place, statements: str) -> None:
    connection = await asyncpg.connect(place.write_admin_url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
