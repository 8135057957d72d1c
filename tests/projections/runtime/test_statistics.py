"""A young build has statistics as soon as it has rows worth planning for."""

import asyncpg

from tests.builders.log_rows import write_log
from tests.builders.order_log import Book, OrderLog, line
from tests.builders.projecting import running_projector
from tests.eventually import eventually
from tests.servers import Servers

_ESTIMATE = "SELECT reltuples FROM pg_class WHERE oid = 'read.sales__v3_b1'::regclass"
_ORDERS, _BOOKS = 60, 20


async def test_a_build_that_grows_is_analysed_without_autovacuum(servers: Servers) -> None:
    """The tests' PostgreSQL looks once an hour: whoever knows how many rows there are was told by the projector."""
    log = OrderLog()
    for order in range(_ORDERS):
        books = [Book(name=f"{order} {number}", title=f"{order} {number}") for number in range(_BOOKS)]
        log.place(f"order {order}", [line(book, line_id=f"{order} {book.name}") for book in books])
    await write_log(servers.write_admin_url, log.events)
    admin = await asyncpg.connect(servers.read_admin_url)
    try:
        async with running_projector(servers):
            estimate = await eventually(lambda: _estimate(admin), lambda rows: rows > 0)
        rows = await admin.fetchval("SELECT count(*) FROM read.sales__v3")
    finally:
        await admin.close()
    assert estimate <= rows
    assert rows > _ORDERS * _BOOKS


async def _estimate(admin: asyncpg.Connection) -> float:
    """What the planner believes; 0 while there is no table, -1 while it was never analysed."""
    if await admin.fetchval("SELECT to_regclass('read.sales__v3_b1')") is None:
        return 0.0
    return float(await admin.fetchval(_ESTIMATE))
