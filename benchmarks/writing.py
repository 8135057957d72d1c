"""`make bench ONLY=write`: placing an order of three lines, with the projector at work on the same cores."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import asyncpg

from benchmarks.bodies import order_bodies
from benchmarks.floors.writing import AUDIT_TABLE
from benchmarks.load.plan import MARK, request
from benchmarks.load.running import LoadGenerator
from benchmarks.machine import Cores
from benchmarks.peers.fastapi_orders import STORES
from benchmarks.peers.loading import load_peer, orm_url
from benchmarks.pgbench import place_by_pgbench
from benchmarks.place import Site
from benchmarks.processes import serving
from benchmarks.projector import lag, projector, projector_log, wait_until_projected
from benchmarks.rounds import Contender, Effort, Row, compete, note
from benchmarks.settling import settle
from benchmarks.stores import BenchStore, write_stores
from shared_kernel.database.roles import DatabaseRole

_EDITIONS = 500
_REQUESTS = 300
"""Different orders; the generator asks them in turn, each time under another Idempotency-Key."""
_CONNECTIONS = 16
_CATCH_UP_SECONDS = 180.0


def measure(site: Site, generator: LoadGenerator, cores: Cores, effort: Effort) -> list[Row]:
    """Boot everybody, and let them take turns; between turns the projector catches up."""
    place = site.place("write", redis_database=2)
    stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [0] * STORES, editions=_EDITIONS))
    peer_url = site.scratch("peer_write")
    asyncio.run(load_peer(peer_url, stores[0]))
    asyncio.run(_execute(place.write_admin_url, AUDIT_TABLE))
    rows = place_by_pgbench(place, stores[0], effort)
    with ExitStack() as stack:
        log = projector_log(site.folder)
        stack.enter_context(projector(place, site.folder))
        wait_until_projected(place, log, seconds=_CATCH_UP_SECONDS)
        asyncio.run(settle(place))
        variables = {
            "BENCH_WRITE_URL": place.url_as(DatabaseRole.WRITE_API, read=False),
            "BENCH_REDIS_URL": place.redis_url,
            "BENCH_PEER_URL": orm_url(peer_url),
            **place.write_api(),
        }
        apps = {
            "write.shelfwise": ("write_side.app:app", "POST /api/v1/orders, everything on", _ours(stores)),
            "write.floor.litestar": (
                "benchmarks.floors.writing:app",
                "bare Litestar + asyncpg, 4 round trips, the same projecting",
                _floor(stores),
            ),
            "write.fastapi": (
                "benchmarks.peers.fastapi_orm:app",
                "FastAPI + ORM, the floor's rows in a unit of work, nothing beside",
                _theirs(stores[0], recorded=True),
            ),
            "write.fastapi.plain": (
                "benchmarks.peers.fastapi_orm:app",
                "FastAPI + ORM, order, lines and stock only, nothing beside",
                _theirs(stores[0], recorded=False),
            ),
        }
        behind: dict[str, list[int]] = {key: [] for key in apps}

        def after(key: str) -> None:
            behind[key].append(asyncio.run(lag(place)))
            started = time.monotonic()
            wait_until_projected(place, log, seconds=_CATCH_UP_SECONDS)
            note(f"{key}: projector {behind[key][-1]} events behind, caught up in {time.monotonic() - started:.1f} s")

        contenders = []
        for key, (app, text, requests) in apps.items():
            process = stack.enter_context(serving(app, core=cores.server, variables=variables, folder=site.folder))
            contenders.append(
                Contender(
                    key=key,
                    port=process.port,
                    pid=process.pid,
                    requests=requests,
                    connections=_CONNECTIONS,
                    note=text,
                    after=partial(after, key),
                )
            )
        return rows + compete(contenders, generator, effort)


def _ours(stores: Sequence[BenchStore], *, label: str = "write") -> tuple[bytes, ...]:
    """Every store's orders, the stores in turn."""
    key = {"Idempotency-Key": f"{label}-{MARK.decode()}"}
    bodies = [order_bodies(store, _REQUESTS // len(stores) or 1) for store in stores]
    return tuple(
        request("POST", "/api/v1/orders", headers=store.authorization | key, body=bodies[index][turn])
        for turn in range(len(bodies[0]))
        for index, store in enumerate(stores)
    )


our_requests = _ours


def _floor(stores: Sequence[BenchStore]) -> tuple[bytes, ...]:
    key = {"Idempotency-Key": f"floor-{MARK.decode()}"}
    bodies = [order_bodies(store, _REQUESTS // len(stores)) for store in stores]
    return tuple(
        request("POST", f"/orders/{store.tenant_id}", headers=key, body=bodies[index][turn])
        for turn in range(len(bodies[0]))
        for index, store in enumerate(stores)
    )


def _theirs(store: BenchStore, *, recorded: bool) -> tuple[bytes, ...]:
    bodies = order_bodies(store, _REQUESTS)
    if not recorded:
        return tuple(request("POST", "/orders", body=body) for body in bodies)
    key = {"Idempotency-Key": f"peer-{MARK.decode()}"}
    return tuple(
        request("POST", f"/stores/{number % STORES}/orders", headers=key, body=body)
        for number, body in enumerate(bodies)
    )


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
