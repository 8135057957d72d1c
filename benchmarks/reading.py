"""`make bench ONLY=read`: cached queries, table-backed pages and dashboards, beside their floors and a peer."""

import asyncio
import gzip
import http.client
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import redis

from benchmarks.floors.reading import BODY_KEY, COMPRESSED_KEY, DASHBOARD_KEY
from benchmarks.load.plan import SHORT_MARK, request
from benchmarks.load.running import LoadGenerator
from benchmarks.machine import Cores
from benchmarks.peers.loading import load_peer, orm_url
from benchmarks.place import Place, Site
from benchmarks.processes import Process, serving
from benchmarks.projector import projector, projector_log, wait_until_projected
from benchmarks.rounds import Contender, Effort, Row, compete, note
from benchmarks.settling import settle
from benchmarks.stores import LINES, BenchStore, write_stores
from shared_kernel.database.roles import DatabaseRole

STORES = 10
_DASHBOARD_ORDERS = 50_000 // LINES + 1
_OTHER_ORDERS = 100
_EDITIONS = 500
_PROJECT_SECONDS = 300.0
_PREPARED_TABLE = """
CREATE SCHEMA bench;
CREATE TABLE bench.prepared_row (
    tenant_id uuid NOT NULL, place integer NOT NULL, body bytea NOT NULL, PRIMARY KEY (tenant_id, place));
ALTER TABLE bench.prepared_row ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.prepared_row FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON bench.prepared_row FOR SELECT TO shelfwise_read_api
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
GRANT USAGE ON SCHEMA bench TO shelfwise_read_api;
GRANT SELECT ON bench.prepared_row TO shelfwise_read_api;
"""
_ROWS_OF_A_PAGE = 20
_CACHED = "/api/v1/orders"
# Each asks for another moment, so that no answer is stored yet; two digits of the day keep every moment in the past.
_FROM_TABLE = f"/api/v1/orders?placed_at%5Blt%5D=2999-01-01T00:00:00.{SHORT_MARK.decode()}Z"
_DASHBOARD = "/api/v1/sales?by={by}&from={from_date}&to={to_date}"
_PEERS_DASHBOARD = "/sales/days?from={from_date}&to={to_date}"
_BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}


class FiguresDiffer(Exception):
    """Two contenders answer the same question differently: their speed cannot be compared."""


def measure(site: Site, generator: LoadGenerator, cores: Cores, effort: Effort) -> list[Row]:
    """Boot everybody, load the data, and let them take turns."""
    place = site.place("read", redis_database=1)
    orders = round(_DASHBOARD_ORDERS * effort.scale)
    stores = asyncio.run(
        write_stores(
            place.write_admin_url,
            place.secret_key,
            [orders, *[_OTHER_ORDERS] * (STORES - 1)],
            editions=_EDITIONS,
        )
    )
    peer_url = site.scratch("peer_read")
    asyncio.run(load_peer(peer_url, stores[0]))
    note(f"{STORES} stores, {orders * LINES:,} order lines in the first; projecting them")
    with ExitStack() as stack:
        stack.enter_context(projector(place, site.folder))
        wait_until_projected(place, projector_log(site.folder), seconds=_PROJECT_SECONDS)
        asyncio.run(settle(place))
        shelfwise = stack.enter_context(
            serving("read_side.app:app", core=cores.server, variables=place.read_api(), folder=site.folder)
        )
        body = ask(shelfwise.port, _CACHED, stores[0])
        dashboard = ask(shelfwise.port, dashboard_target(), stores[0])
        small = ask(shelfwise.port, dashboard_target(), stores[0], headers=_BROWSER)
        _prepare_floor(place, stores[0], {BODY_KEY: body, DASHBOARD_KEY: dashboard, COMPRESSED_KEY: small})
        floor = stack.enter_context(
            serving(
                "benchmarks.floors.reading:app",
                core=cores.server,
                variables=_floor(place, stores[0]),
                folder=site.folder,
            )
        )
        peer = stack.enter_context(
            serving(
                "benchmarks.peers.fastapi_orm:app",
                core=cores.server,
                variables={"BENCH_PEER_URL": orm_url(peer_url)},
                folder=site.folder,
            )
        )
        _compare_figures(gzip.decompress(small), gzip.decompress(ask(peer.port, _peers_dashboard(), headers=_BROWSER)))
        _compare_pages(body, ask(peer.port, "/orders"))
        sizes = _Sizes(page=len(body), dashboard=len(dashboard), compressed=len(small))
        return compete(_contenders(shelfwise, floor, peer, stores, sizes=sizes), generator, effort)


def ask(port: int, target: str, store: BenchStore | None = None, *, headers: Mapping[str, str] | None = None) -> bytes:
    """The body of one answer, as it came.

    Raises:
        AssertionError: it is not a success.
    """
    fields = {**(headers or {}), **(store.authorization if store else {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", target, headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == http.client.OK, (target, answer.status, body[:500])
    connection.close()
    return body


def dashboard_target(store_days: int = 365, *, by: str = "day") -> str:
    """Sales over a year up to today."""
    return _over_days(_DASHBOARD, store_days, by=by)


def _peers_dashboard() -> str:
    return _over_days(_PEERS_DASHBOARD, 365)


def _over_days(target: str, days: int, **others: str) -> str:
    today = datetime.now(UTC).date()
    return target.format(from_date=today - timedelta(days=days), to_date=today + timedelta(days=1), **others)


def _compare_figures(ours: bytes, theirs: bytes) -> None:
    """Raises: FiguresDiffer, naming the first day that differs."""
    days, their_days = msgspec.json.decode(ours)["data"], msgspec.json.decode(theirs)
    different = [pair for pair in zip(days, their_days, strict=False) if pair[0] != pair[1]]
    if different or len(days) != len(their_days):
        raise FiguresDiffer(f"{len(days)} days and {len(their_days)}; the first that differ: {different[:1]}")


def _compare_pages(ours: bytes, theirs: bytes) -> None:
    """Raises: FiguresDiffer, naming the first order that differs but for its id, which each has of its own."""
    pairs = zip(msgspec.json.decode(ours)["data"], msgspec.json.decode(theirs), strict=True)
    for order, their_order in pairs:
        shown = {name: their_order[name] for name in order if name != "id"}
        if shown != {name: value for name, value in order.items() if name != "id"}:
            raise FiguresDiffer(f"{order} and {their_order}")


class _Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of answers."""

    page: int
    dashboard: int
    compressed: int


def _contenders(
    shelfwise: Process, floor: Process, peer: Process, stores: Sequence[BenchStore], *, sizes: _Sizes
) -> list[Contender]:
    def ours(key: str, target: str, note: str, chosen: Sequence[BenchStore], **fields: str) -> Contender:
        asked = tuple(request("GET", target, headers={**one.authorization, **fields}) for one in chosen)
        return Contender(key=key, port=shelfwise.port, pid=shelfwise.pid, requests=asked, note=note)

    def bare(key: str, target: str, note: str, **fields: str) -> Contender:
        asked = request("GET", target, headers=fields)
        return Contender(key=key, port=floor.port, pid=floor.pid, requests=(asked,), note=note)

    def theirs(key: str, target: str, note: str, **fields: str) -> Contender:
        asked = request("GET", target, headers=fields)
        return Contender(key=key, port=peer.port, pid=peer.pid, requests=(asked,), note=note)

    first = stores[:1]
    return [
        bare("read.floor.bytes", "/bytes", f"bare Litestar, {sizes.page:,} bytes"),
        bare("read.floor.multiplexed", "/multiplexed", "bare Litestar, one multiplexed Redis GET"),
        bare("read.floor.pooled", "/pooled", "bare Litestar, one pooled redis-py GET"),
        ours("read.cached.shelfwise", _CACHED, f"GET /orders from Redis, {len(stores)} stores", stores),
        bare("read.floor.table", "/prepared", "bare Litestar + asyncpg, 20 prepared rows, tenant set, RLS on"),
        bare("read.floor.same_sql", "/same-sql", "bare Litestar + asyncpg, the same page of the same table"),
        ours("read.list.shelfwise", _FROM_TABLE, "GET /orders, every request another query", first),
        theirs("read.list.fastapi", "/orders", "FastAPI + ORM, 20 orders with lines"),
        bare(
            "read.floor.dashboard",
            "/multiplexed-dashboard-compressed",
            f"bare Litestar, one multiplexed Redis GET of the dashboard's {sizes.compressed:,} bytes of gzip",
            **_BROWSER,
        ),
        ours("read.dashboard.shelfwise", dashboard_target(), "GET /sales?by=day over a year, gzip", first, **_BROWSER),
        theirs(
            "read.dashboard.fastapi",
            _peers_dashboard(),
            "FastAPI + ORM, the same figures added up when asked, gzip",
            **_BROWSER,
        ),
        bare(
            "read.floor.dashboard.identity",
            "/multiplexed-dashboard",
            f"bare Litestar, one multiplexed Redis GET of the dashboard's {sizes.dashboard:,} bytes",
        ),
        ours("read.dashboard.identity.shelfwise", dashboard_target(), "the same year, not compressed", first),
        ours("read.months.shelfwise", dashboard_target(by="month"), "GET /sales?by=month over a year", first),
    ]


def _floor(place: Place, store: BenchStore) -> dict[str, str]:
    return {
        "BENCH_READ_URL": place.url_as(DatabaseRole.READ_API, read=True),
        "BENCH_REDIS_URL": place.redis_url,
        "BENCH_TENANT_ID": f"{store.tenant_id}",
        "BENCH_BUILD": "1",
    }


def _prepare_floor(place: Place, store: BenchStore, bodies: Mapping[str, bytes]) -> None:
    with redis.Redis.from_url(place.redis_url) as client:
        client.mset(dict(bodies))
    asyncio.run(_fill_prepared(place, store, bodies[BODY_KEY]))


async def _fill_prepared(place: Place, store: BenchStore, body: bytes) -> None:
    connection = await asyncpg.connect(place.read_admin_url)
    try:
        await connection.execute(_PREPARED_TABLE)
        size = len(body) // _ROWS_OF_A_PAGE
        rows = [(store.tenant_id, place, body[place * size : (place + 1) * size]) for place in range(_ROWS_OF_A_PAGE)]
        await connection.copy_records_to_table("prepared_row", schema_name="bench", records=rows)
        await connection.execute("VACUUM ANALYZE bench.prepared_row")
    finally:
        await connection.close()
