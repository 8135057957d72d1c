"""`make soak MINUTES=60`: memory of the processes under a steady load, and whether it rises."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import msgspec

from benchmarks import machine
from benchmarks.bodies import order_bodies
from benchmarks.load.wire import WireClient
from benchmarks.machine import choose_cores
from benchmarks.place import open_site
from benchmarks.processes import serving
from benchmarks.projector import projector, projector_log, wait_until_projected
from benchmarks.report import Report, markdown, write
from benchmarks.rounds import Row, note
from benchmarks.statistics import slope
from benchmarks.stores import BenchStore, write_stores
from benchmarks.targets import Checked

MOST_MB = 150.0
MOST_MB_AN_HOUR = 5.0
"""A slope below what sampling and allocation noise alone make over an hour."""
_STORES = 10
_ORDERS_PER_SECOND = 20
_SAMPLE_SECONDS = 5.0
_LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
_DAYS = 3_000
_SETTLING_SHARE = 0.25
"""Of the time: pools, caches and code pages fill up first."""
_READS = (
    "/api/v1/orders",
    "/api/v1/store-counts",
    "/api/v1/kpis?period=30d",
    "/api/v1/best-sellers?window=30d",
    "/api/v1/editions?q=book",
)


class _Placed(msgspec.Struct, frozen=True, kw_only=True):
    id: str


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    data: _Placed


Samples = Mapping[str, list[tuple[float, float]]]


def main() -> None:
    """Soak, print the tables, keep them, and fail where memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes: float = parser.parse_args().minutes
    samples = _soak(minutes)
    rows = [row for name, points in samples.items() for row in _rows(name, points)]
    by_key = {row.key: row for row in rows}
    checked = [check for name in samples for check in _checks(name, by_key)]
    report = Report(machine=machine.describe(), settings={"minutes": f"{minutes:g}"}, rows=rows, targets=checked)
    sys.stdout.write(markdown(report))
    note(f"kept in {write(report, 'soak')}")
    sys.exit(0 if all(one.ok for one in checked) else 1)


def _soak(minutes: float) -> Samples:
    cores = choose_cores()
    with open_site() as site, ExitStack() as stack:
        place = site.place("soak", redis_database=11)
        stores = asyncio.run(write_stores(place.write_admin_url, place.secret_key, [200] * _STORES, editions=200))
        projector_pid = stack.enter_context(projector(place, site.folder))
        wait_until_projected(place, projector_log(site.folder), seconds=180)
        apis = {
            name: stack.enter_context(serving(app, core=cores.server, variables=variables, folder=site.folder))
            for name, app, variables in (
                ("write_api", "write_side.app:app", place.write_api()),
                ("read_api", "read_side.app:app", place.read_api()),
            )
        }
        pids = {"projector": projector_pid, **{name: machine.process_tree(api.pid)[-1] for name, api in apis.items()}}
        ports = apis["write_api"].port, apis["read_api"].port
        return asyncio.run(_load_and_sample(ports, stores, pids, seconds=minutes * 60))


async def _load_and_sample(
    ports: tuple[int, int], stores: Sequence[BenchStore], pids: Mapping[str, int], *, seconds: float
) -> Samples:
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in pids}
    started = time.monotonic()
    loading = asyncio.create_task(_load(ports, stores, seconds=seconds))
    while not loading.done():
        for name, pid in pids.items():
            samples[name].append((time.monotonic() - started, machine.resident_mb(pid)))
        await asyncio.wait({loading}, timeout=_SAMPLE_SECONDS)
    await loading
    return samples


async def _load(ports: tuple[int, int], stores: Sequence[BenchStore], *, seconds: float) -> None:
    bodies = [order_bodies(store, 50) for store in stores]
    started = time.monotonic()
    async with WireClient(ports[0], 4) as write, WireClient(ports[1], 4) as read:
        for number in range(round(seconds * _ORDERS_PER_SECOND)):
            await asyncio.sleep(max(0.0, started + number / _ORDERS_PER_SECOND - time.monotonic()))
            store = stores[number % _STORES]
            key = {"Idempotency-Key": f"soak-{number}"}
            body = bodies[number % _STORES][number // _STORES % 50]
            fields, answer = await write.ask("POST", "/api/v1/orders", store.authorization | key, body)
            order = msgspec.json.decode(answer, type=_Envelope).data
            waiting = {"ShelfWise-Min-Position": fields["shelfwise-position"], "Prefer": "wait=10"}
            await read.ask("GET", f"/api/v1/orders/{order.id}", store.authorization | waiting)
            for path in (*_READS, *_never_asked_before(number)):
                await read.ask("GET", path, store.authorization)


def _never_asked_before(number: int) -> tuple[str, ...]:
    """Questions of which each is a new one: whatever remembers questions fills up, and must then forget."""
    moment = _LONG_AGO + timedelta(seconds=number)
    day = _LONG_AGO + timedelta(days=number % _DAYS)
    return (
        f"/api/v1/orders?placed_at%5Bgte%5D={moment:%Y-%m-%dT%H:%M:%S}Z",
        f"/api/v1/sales?by=day&from={day:%Y-%m-%d}&to={day + timedelta(days=1 + number // _DAYS):%Y-%m-%d}",
    )


def _rows(name: str, points: Sequence[tuple[float, float]]) -> list[Row]:
    settled = settled_points(points)
    text = f"{points[0][1]:.0f} MB at first, {points[-1][1]:.0f} MB at last"
    return [
        Row(key=f"soak.{name}.resident", unit="MB", values=(max(mb for _, mb in points),), note=text),
        Row(key=f"soak.{name}.slope", unit="MB/h", values=(slope(settled) * 3600,)),
    ]


def settled_points(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Those after the first quarter of the time."""
    return [point for point in points if point[0] >= points[-1][0] * _SETTLING_SHARE]


def _checks(name: str, rows: Mapping[str, Row]) -> list[Checked]:
    bounds = ((f"soak.{name}.resident", MOST_MB, "MB"), (f"soak.{name}.slope", MOST_MB_AN_HOUR, "MB/h"))
    return [
        Checked(name=key, value=rows[key].median, target=f"≤ {most:g} {unit}", ok=rows[key].median <= most)
        for key, most, unit in bounds
    ]


if __name__ == "__main__":
    main()
