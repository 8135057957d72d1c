"""The `eventsourcing` library as its documentation shows it: an application, aggregates, and a ProjectionRunner."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

_TITLES = 500
_WAIT_SECONDS = 120.0


class Order(Aggregate):
    """An order whose life is four events."""

    @event("Placed")
    def __init__(self, number: str, day: str, lines: list[dict[str, Any]]) -> None:
        self.number, self.day, self.lines, self.status = number, day, lines, "placed"

    @event("Paid")
    def pay(self, status: str) -> None:
        """Paid."""
        self.status = status

    @event("Packed")
    def pack(self, status: str) -> None:
        """Packed."""
        self.status = status

    @event("Fulfilled")
    def fulfil(self, status: str) -> None:
        """Gone."""
        self.status = status


class Orders(Application[Any]):
    """Saves orders."""

    name = "orders"


class OrderViews(PostgresTrackingRecorder):
    """The three tables, written one event at a time together with the tracking position."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements += [
            SQL(text).format()
            for text in (
                "CREATE TABLE IF NOT EXISTS listed (id text PRIMARY KEY, number text, status text, total bigint)",
                "CREATE TABLE IF NOT EXISTS days (day text PRIMARY KEY, orders bigint, units bigint, net bigint)",
                "CREATE TABLE IF NOT EXISTS sellers (edition text PRIMARY KEY, title text, units bigint, net bigint)",
            )
        ]

    @contextmanager
    def _tracked(self, tracking: Tracking) -> Iterator[Any]:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            yield cursor

    def place(self, order: Any, tracking: Tracking) -> None:
        """A new order, its day and its titles."""
        units = sum(line["quantity"] for line in order.lines)
        net = sum(line["net"] for line in order.lines)
        with self._tracked(tracking) as cursor:
            cursor.execute(
                "INSERT INTO listed VALUES (%s, %s, 'placed', %s)", (str(order.originator_id), order.number, net)
            )
            cursor.execute(
                "INSERT INTO days VALUES (%s, 1, %s, %s) ON CONFLICT (day) DO UPDATE SET orders = days.orders + 1,"
                " units = days.units + excluded.units, net = days.net + excluded.net",
                (order.day, units, net),
            )
            cursor.executemany(
                "INSERT INTO sellers VALUES (%s, %s, %s, %s) ON CONFLICT (edition) DO UPDATE"
                " SET units = sellers.units + excluded.units, net = sellers.net + excluded.net",
                [(line["edition"], line["title"], line["quantity"], line["net"]) for line in order.lines],
            )

    def change(self, order: Any, tracking: Tracking) -> None:
        """Another status."""
        with self._tracked(tracking) as cursor:
            cursor.execute("UPDATE listed SET status = %s WHERE id = %s", (order.status, str(order.originator_id)))


class OrderProjection(Projection[OrderViews]):
    """From events to the three tables."""

    name = "orderviews"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event."""
        if isinstance(domain_event, Order.Placed):
            self.view.place(domain_event, tracking)
        else:
            self.view.change(domain_event, tracking)


def environment(url: str) -> dict[str, str]:
    """What the library reads to find PostgreSQL."""
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.removeprefix("/"),
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": f"{parts.port}",
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }


def _order(number: int) -> Order:
    lines = [
        {"edition": f"e{(number * 7 + n * 31) % _TITLES}", "title": "A book", "quantity": 1, "net": 1299}
        for n in range(3)
    ]
    order = Order(number=f"SW-{uuid4().hex[:10]}", day=f"2026-01-{1 + number % 28:02}", lines=lines)
    order.pay("paid")
    order.pack("packed")
    order.fulfil("fulfilled")
    return order


def measure(orders: int) -> dict[str, float]:
    """Save orders of four events one by one, then project them; each in events a second."""
    app = Orders(env=dict(os.environ))
    started = time.perf_counter()
    for number in range(orders):
        app.save(_order(number))
    saved = time.perf_counter() - started
    last = app.recorder.max_notification_id()
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Orders, projection_class=OrderProjection, view_class=OrderViews, env=dict(os.environ)
    ) as runner:
        runner.wait(last, timeout=_WAIT_SECONDS)
        projected = time.perf_counter() - started
    return {"orders_saved": orders / saved, "events_projected": 4 * orders / projected}


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(int(sys.argv[1]))))
