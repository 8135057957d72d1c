"""State and rows in one statement: of the tenant that is named in it, and of one moment."""

from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import msgspec
import pytest

from read_side.pools import pools_of
from read_side.query_execution import Answer, ListQuery, document_page, list_page
from read_side.query_execution.answers import Snapshot
from read_side.query_execution.asking import Asked
from read_side.query_execution.one_statement import OneStatement, PageConnections, SecondStatementError
from read_side.query_execution.shown import Shown
from read_side.settings import ReadApiSettings
from shared_kernel.database.kept import KeptConnections
from shared_kernel.database.pool import Connection
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from shared_kernel.redis.state import NOTHING_PROJECTED
from tests.read_side.query_execution.books import BOOKS, READY_BOOKS, VIEW, a_book, book_item, state
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

_EVERYTHING = "SELECT tenant_id, title FROM read.tested_book__v1 WHERE build = $2 OR tenant_id = $1"
"""Asks for every tenant's rows: only the policies stand between."""


def _asked(tenant_id: UUID) -> Asked:
    return Asked(
        tenant_id=tenant_id,
        key_id=new_id(),
        view=VIEW,
        digest=b"",
        row=None,
        cost=1,
        minimum_position=None,
        wait_seconds=0,
        if_none_match=None,
    )


class _Always(KeptConnections):
    """One connection, whose settings the test knows."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._one = connection
        self.taken = 0

    async def take(self) -> Connection:
        self.taken += 1
        return self._one

    def keep(self, connection: Connection) -> None:
        assert connection is self._one


def _one_statement(connection: asyncpg.Connection, tenant_id: UUID, *, likely_build: int) -> OneStatement:
    always = _Always(connection)
    connections = PageConnections(planned=always, in_index_order=always)
    return OneStatement(connections=connections, asked=_asked(tenant_id), likely_build=likely_build)


async def _titles(connection: asyncpg.Connection, tenant_id: UUID, *, likely_build: int) -> list[str]:
    snapshot = _one_statement(connection, tenant_id, likely_build=likely_build)
    titles = [record["title"] for record in await snapshot.rows(_EVERYTHING)]
    ready = await document_page(
        _one_statement(connection, tenant_id, likely_build=likely_build),
        READY_BOOKS,
        ListQuery(conditions=(), sort="title"),
    )
    assert [one["title"] for one in msgspec.json.decode(ready.data)] == titles, "the same where rows are gathered"
    return titles


async def test_nobody_sees_another_tenants_rows(servers: Servers) -> None:
    """Whatever the statement asks for, in custom and in generic plans, and after another tenant on the same session."""
    shelf = Shelf(servers)
    await shelf.prepare()
    one, _ = await shelf.open_store()
    other, _ = await shelf.open_store()
    await shelf.project(one, [a_book("Emma")], state(position=7, rows=1))
    await shelf.project(other, [a_book("Ulysses")], state(position=9, rows=1))
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    try:
        for _ in range(10):  # past the five after which PostgreSQL may plan once for all
            assert await _titles(connection, one, likely_build=1) == ["Emma"]
            assert await _titles(connection, other, likely_build=1) == ["Ulysses"]
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        assert await _titles(connection, one, likely_build=1) == ["Emma"]
        await connection.execute("SET enable_nestloop = off; SET enable_indexscan = off; SET enable_bitmapscan = off")
        assert await _titles(connection, other, likely_build=1) == ["Ulysses"]
        assert await connection.fetchval("SELECT count(*) FROM read.tested_book__v1") == 0, "the name ends with it"
    finally:
        await connection.close()


async def test_a_wrong_guess_is_put_right(servers: Servers) -> None:
    """The state says which build it is; and nothing projected is build 0, with its sums of nothing."""
    shelf = Shelf(servers)
    await shelf.prepare()
    tenant, _ = await shelf.open_store()
    await shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    try:
        for guess in (0, 1, 5):
            assert await _titles(connection, tenant, likely_build=guess) == ["Emma"]
        unknown = _one_statement(connection, new_id(), likely_build=3)
        assert await unknown.row("SELECT count(*) AS count FROM read.tested_book__v1 WHERE build = $2") is not None
        assert unknown.state == NOTHING_PROJECTED
    finally:
        await connection.close()


async def test_it_shows_what_a_transaction_shows(servers: Servers) -> None:
    """The same page and state, to the microsecond, as REPEATABLE READ does; and an empty page is empty."""
    shelf = Shelf(servers)
    await shelf.prepare()
    tenant, _ = await shelf.open_store()
    shown = state(position=7, rows=3)
    await shelf.project(tenant, [a_book(title) for title in ("Emma", "Persuasion", "Sanditon")], shown)
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))

    async def page(snapshot: Snapshot, query: ListQuery) -> Answer:
        return await list_page(snapshot, BOOKS, query, item=book_item)

    try:
        for query in (ListQuery(conditions=(), sort="title", limit=2), ListQuery(conditions=(), sort="-price")):
            one = _one_statement(connection, tenant, likely_build=1)
            found = await page(one, query)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant))
                expected = await page(Snapshot(connection=connection, tenant_id=tenant, state=shown), query)
            assert (found, one.state) == (expected, shown)
        empty = _one_statement(connection, tenant, likely_build=1)
        assert await empty.rows(_EVERYTHING + " LIMIT 0") == []
        assert empty.state == shown
    finally:
        await connection.close()


async def test_what_an_index_holds_in_order_is_not_planned_again(servers: Servers) -> None:
    """Books by title are read on the connections that plan once; by price, which no index orders, on the others."""
    shelf = Shelf(servers)
    await shelf.prepare()
    tenant, _ = await shelf.open_store()
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    planned, in_index_order = _Always(connection), _Always(connection)
    try:
        for sort in ("title", "-title", "price"):
            connections = PageConnections(planned=planned, in_index_order=in_index_order)
            one = OneStatement(connections=connections, asked=_asked(tenant), likely_build=0)
            await list_page(one, BOOKS, ListQuery(conditions=(), sort=sort), item=book_item)
        assert (planned.taken, in_index_order.taken) == (1, 2)
    finally:
        await connection.close()


async def test_two_slow_pages_hold_nobody_up(servers: Servers) -> None:
    """Four may be planned at once, and as many connections are there for everything else; 13 in all, as ever."""
    settings = ReadApiSettings(
        read_database_url=servers.url_as(DatabaseRole.READ_API),
        write_database_url=None,
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
    )
    async with pools_of(settings) as pools, AsyncExitStack() as stack:
        connections = PageConnections.kept(pools.reads, pools.pages)
        stack.push_async_callback(connections.aclose)
        for _ in range(4):
            assert connections.planned.has_one
            await stack.enter_async_context(connections.planned.lent())
        assert pools.reads.get_max_size() - connections.planned.held == 4
        assert pools.reads.get_max_size() + pools.pages.get_max_size() == 13


def test_the_busiest_place_is_not_forgotten_first() -> None:
    """Nor where its state has stood still for long."""
    shown, still = Shown(max_entries=2), state(position=7)
    for place in ("busy", "another"):
        assert shown.may_show(place, still)
    assert shown.may_show("busy", still)
    assert shown.may_show("a third", still)
    assert not shown.may_show("busy", state(position=6))
    assert shown.may_show("another", state(position=6))


async def test_a_second_statement_is_a_bug(servers: Servers) -> None:
    """It would be of another moment than the first."""
    shelf = Shelf(servers)
    await shelf.prepare()
    tenant, _ = await shelf.open_store()
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    try:
        snapshot = _one_statement(connection, tenant, likely_build=1)
        await snapshot.rows(_EVERYTHING)
        with pytest.raises(SecondStatementError):
            await snapshot.row(_EVERYTHING)
    finally:
        await connection.close()
