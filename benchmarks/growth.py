"""`make bench-growth`: what 1,000,000 orders cost a query that 10,000 did not, and 200 stores a command."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import asyncpg
import msgspec

from benchmarks import machine
from benchmarks.filling import fill_store
from benchmarks.load.running import LoadGenerator
from benchmarks.load.wire import WireClient
from benchmarks.machine import Cores, choose_cores
from benchmarks.place import Place, Site, open_site
from benchmarks.processes import serving
from benchmarks.projector import projector, projector_log, wait_until_projected
from benchmarks.reading import dashboard_target
from benchmarks.report import Report, markdown, write
from benchmarks.rounds import FULL, Contender, Effort, Row, compete, note
from benchmarks.settling import settle
from benchmarks.statistics import percentile
from benchmarks.stores import BenchStore, write_stores
from benchmarks.targets import TARGETS, Checked, Target
from benchmarks.writing import our_requests
from shared_kernel.database.roles import DatabaseRole

_SMALL_ORDERS = 10_000
_LARGE_ORDERS = 1_000_000
_EDITIONS = 500
_STORES = 200
_FEW_STORES = 10
_ASKED = 400
"""Times a query is asked of either store; its p99 is the fourth slowest."""
_ENROL_SECONDS = 180.0
_NO_REDIS = "redis://127.0.0.1:9/0"
"""Nobody listens there: every answer comes from the tables, none from a stored response."""
_MOST = 1.3


def main() -> None:
    """Measure, print the tables, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=_LARGE_ORDERS, help="of the large store")
    arguments = parser.parse_args()
    cores = choose_cores()
    with open_site() as site:
        generator = LoadGenerator.best(core=cores.load, folder=site.folder)
        rows = queries(site, cores, orders=arguments.orders) + commands(site, generator, cores, FULL)
        settings = {**site.settings, "orders": f"{_SMALL_ORDERS} and {arguments.orders}", "load": generator.name}
    by_key = {row.key: row for row in rows}
    names = [row.key.removesuffix(".small") for row in rows if row.key.endswith(".small")]
    grown = [
        Target(name=f"p99 of {name}", of=f"{name}.large", over=f"{name}.small", bound=_MOST, at_most=True)
        for name in names
    ]
    checked: list[Checked] = [one for one in (target.check(by_key) for target in (*grown, *TARGETS)) if one]
    report = Report(machine=machine.describe(), settings=settings, rows=rows, targets=checked)
    sys.stdout.write(markdown(report))
    note(f"kept in {write(report, 'growth')}")


def queries(site: Site, cores: Cores, *, orders: int) -> list[Row]:
    """Every query of a small and of a large store, in turn, from the tables."""
    place = site.place("growth", redis_database=9)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0, 0], editions=_EDITIONS))
    with projector(place, site.folder):
        wait_until_projected(place, projector_log(site.folder), seconds=_ENROL_SECONDS)
    for store, count in zip(stores, (_SMALL_ORDERS, orders), strict=True):
        started = time.monotonic()
        position = asyncio.run(_head(place, store))
        asyncio.run(fill_store(place, store, orders=count, position=position))
        note(f"{count:,} orders in {time.monotonic() - started:.0f} s")
    asyncio.run(settle(place))
    variables = place.read_api() | {"SHELFWISE_REDIS_URL": _NO_REDIS}
    with serving("read_side.app:app", core=cores.server, variables=variables, folder=site.folder) as process:
        return asyncio.run(_ask_all(process.port, stores))


async def _ask_all(port: int, stores: Sequence[BenchStore]) -> list[Row]:
    rows = []
    async with WireClient(port, 1) as client:
        for name, targets in (await _targets(client, stores)).items():
            latencies: list[list[float]] = [[], []]
            for turn in range(_ASKED):
                for index, store in enumerate(stores):
                    started = time.perf_counter()
                    await client.ask("GET", targets[index], store.authorization)
                    if turn:
                        latencies[index].append((time.perf_counter() - started) * 1000)
            for size, found in zip(("small", "large"), latencies, strict=True):
                text = f"p50 {percentile(found, 0.5):.2f} ms"
                rows.append(
                    Row(key=f"growth.{name}.{size}", unit="ms p99", values=(percentile(found, 0.99),), note=text)
                )
    return rows


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    id: str


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    data: list[_Item]


async def _targets(client: WireClient, stores: Sequence[BenchStore]) -> dict[str, list[str]]:
    """Every query by name, as either store is asked."""
    orders = []
    for store in stores:
        _, body = await client.ask("GET", "/api/v1/orders?limit=1", store.authorization)
        orders.append(f"/api/v1/orders/{msgspec.json.decode(body, type=_Page).data[0].id}")
    same = {
        "orders": "/api/v1/orders",
        "orders_by_status": "/api/v1/orders?status=placed&limit=100",
        "orders_by_total": "/api/v1/orders?sort=-total",
        "sales_by_day": dashboard_target(),
        "sales_by_title": "/api/v1/sales?by=title&limit=20",
        "best_sellers_30d": "/api/v1/best-sellers?window=30d",
        "best_sellers_all": "/api/v1/best-sellers?window=all",
        "kpis": "/api/v1/kpis?period=30d",
        "store_counts": "/api/v1/store-counts",
        "editions": "/api/v1/editions?q=book",
        "stock": "/api/v1/stock",
    }
    return {"order": orders} | {name: [target] * len(stores) for name, target in same.items()}


def commands(site: Site, generator: LoadGenerator, cores: Cores, effort: Effort) -> list[Row]:
    """Orders a second among few stores and among many, by one process."""
    place = site.place("growth_commands", redis_database=10)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * _STORES, editions=20))
    asyncio.run(settle(place))
    with ExitStack() as stack:
        process = stack.enter_context(
            serving("write_side.app:app", core=cores.server, variables=place.write_api(), folder=site.folder)
        )
        contenders = [
            Contender(
                key=f"growth.commands.{count}",
                port=process.port,
                pid=process.pid,
                requests=our_requests(stores[:count], label=f"{count}"),
                connections=16,
                note=f"POST /orders, {count} stores in turn",
            )
            for count in (_FEW_STORES, _STORES)
        ]
        return compete(contenders, generator, effort)


async def _head(place: Place, store: BenchStore) -> int:
    connection = await asyncpg.connect(place.url_as(DatabaseRole.READ_API, read=False))
    try:
        return int(await connection.fetchval("SELECT log.head_of($1)", store.tenant_id))
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
