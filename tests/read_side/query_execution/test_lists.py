"""Paging through a list in any order visits each row once, in that order; cursors are nobody's to change."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from read_side.best_sellers.endpoints import BestSellersParameters
from read_side.query_execution import Answer, ListQuery, ListSpecification, Snapshot, document_page, list_page
from read_side.query_execution.cursors import InvalidCursor
from read_side.query_execution.lists.cursors import decode_cursor, encode_cursor
from read_side.query_execution.lists.parsing import parse_list
from read_side.query_execution.lists.specification import Condition
from read_side.query_execution.lists.statements import list_statement
from read_side.query_execution.parameters import parse_parameters
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import tenant_setting
from shared_kernel.errors import InvalidError, MalformedError
from shared_kernel.identifiers import new_id
from tests.read_side.query_execution.books import BOOKS, READY_BOOKS, BookRow, a_book, book_item, state
from tests.read_side.query_execution.conftest import Api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

_MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
_ROWS = st.lists(
    st.builds(
        BookRow,
        book_id=st.uuids(),
        title=st.text("aAbé\U0001f4d6 ", max_size=3),
        price_minor=st.integers(-2, 2),
        published_at=st.none()
        | st.integers(0, 3).map(lambda days: _MIDNIGHT + timedelta(days=days, microseconds=days)),
        tags=st.just(()),
    ),
    max_size=25,
    unique_by=lambda row: row.book_id,
)


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request as far as parsing looks at it."""

    scope: dict[str, bytes]


def asking(query: str) -> Asking:
    """A request with this query string."""
    return Asking(scope={"query_string": query.encode("ascii")})


@pytest.mark.parametrize("sort", [f"{sign}{name}" for name in BOOKS.sorts for sign in ("", "-")])
async def test_paging_visits_each_row_once_in_order(servers: Servers, sort: str) -> None:
    """Against a plain sort in Python, for rows full of ties, nulls and letters beyond ASCII; made or carried alike."""
    shelf = Shelf(servers)
    await shelf.prepare()
    loop = asyncio.get_running_loop()

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows=_ROWS, limit=st.integers(1, 7))
    def visits(rows: list[BookRow], limit: int) -> None:
        paging = asyncio.run_coroutine_threadsafe(_page_through(servers, shelf, rows, sort=sort, limit=limit), loop)
        seen = paging.result(timeout=60)
        assert seen == [row.book_id for row in _sorted(rows, sort)]

    await asyncio.to_thread(visits)


async def _page_through(
    servers: Servers, shelf: Shelf, rows: Sequence[BookRow], *, sort: str, limit: int
) -> list[UUID]:
    tenant_id = new_id()
    await shelf.project(tenant_id, rows, state(position=1, rows=len(rows)))
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    seen: list[UUID] = []
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(tenant_setting(tenant_id))
            shown = state(position=1, rows=len(rows), parked=limit % 2)  # where one is, pages say whose rows they show
            snapshot = Snapshot(connection=connection, tenant_id=tenant_id, state=shown)
            cursor = ""
            for _ in range(len(rows) + 2):
                query = parse_list(asking(f"sort={sort}&limit={limit}{cursor}"), BOOKS)
                answer = await list_page(snapshot, BOOKS, query, item=book_item)
                carried = _told(await document_page(snapshot, READY_BOOKS, query), READY_BOOKS, query)
                assert carried == _told(answer, BOOKS, query)
                page = msgspec.json.decode(answer.data, type=list[dict[str, Any]])
                seen += [UUID(item["id"]) for item in page]
                assert answer.exact_count == len(rows)
                assert answer.has_more is (answer.next_cursor is not None)
                if answer.next_cursor is None:
                    return seen
                assert len(page) == limit
                cursor = f"&cursor={answer.next_cursor}"
    finally:
        await connection.close()
    raise AssertionError("the pages did not end")


def _told(answer: Answer, books: ListSpecification, query: ListQuery) -> tuple[Answer, object]:
    """What an answer says; a cursor says where it leads, and of which list it is."""
    leads_to = answer.next_cursor and decode_cursor(books, query.sort, query.conditions, answer.next_cursor)
    return msgspec.structs.replace(answer, next_cursor=None), leads_to


def _sorted(rows: Sequence[BookRow], sort: str) -> list[BookRow]:
    """As PostgreSQL places nulls: last, or first where descending."""
    name = BOOKS.sorts[sort.removeprefix("-")]

    def order(row: BookRow) -> tuple[bool, Any, UUID]:
        value = getattr(row, name)
        return (value is None, _MIDNIGHT if value is None else value, row.book_id)

    return sorted(rows, key=order, reverse=sort.startswith("-"))


@pytest.mark.parametrize("sort", ["title", "-title"])
async def test_a_page_begins_in_the_index_under_row_level_security(servers: Servers, sort: str) -> None:
    """Only leakproof comparisons may use an index there; the comparison of rows that a cursor makes is one."""
    shelf, tenant_id = Shelf(servers), new_id()
    await shelf.prepare()
    rows = [a_book(f"Title {number:04}") for number in range(2000)]
    await shelf.project(tenant_id, rows, state(position=1, rows=len(rows)))
    await shelf.analyze()
    cursor = encode_cursor(BOOKS, sort, (), ("Title 1000", new_id()))
    statement, arguments = list_statement(BOOKS, parse_list(asking(f"sort={sort}&cursor={cursor}"), BOOKS))
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(tenant_setting(tenant_id))
            records = await connection.fetch(f"EXPLAIN (COSTS OFF) {statement.text}", tenant_id, 1, *arguments)
    finally:
        await connection.close()
    plan = "\n".join(record[0] for record in records)

    assert "ROW(title, book_id)" in plan.partition("Index Cond:")[2].partition("\n")[0]
    assert "Sort" not in plan


async def test_pages_and_filters_together_over_http(api: Api) -> None:
    """`Link` leads to the next page with the same filters, until there is none."""
    tenant, key = await api.shelf.open_store()
    rows = [
        BookRow(book_id=new_id(), title=f"Title {n}", price_minor=n, published_at=None, tags=()) for n in range(1, 8)
    ]
    await api.shelf.project(tenant, rows, state(position=3, rows=7))
    seen: list[int] = []
    path = "/books?sort=-price&limit=2&price[gte]=2&price[lt]=7"
    for _ in range(4):
        answer = await api.get(path, key)
        seen += [book["price_minor"] for book in answer.json()["data"]]
        assert "exact_count" not in answer.json()["meta"]
        if not answer.json()["meta"]["has_more"]:
            break
        assert answer.links["next"]["url"].endswith(answer.json()["meta"]["next_cursor"])
        path = answer.links["next"]["url"].removeprefix("/api/v1")
    else:
        raise AssertionError("the pages did not end")

    assert seen == [6, 5, 4, 3, 2]
    assert "Link" not in answer.headers


def test_tenant_and_build_come_first_whatever_is_asked() -> None:
    """Row-level security's index begins with them."""
    query = parse_list(asking("price[gte]=1&title=x&sort=-published_at"), BOOKS)
    statement, arguments = list_statement(BOOKS, query)

    assert "tenant_id = $1" in statement.text
    assert "build = $2" in statement.text
    assert arguments == [1, "x", 21]


def test_only_what_an_index_holds_in_order_is_planned_once() -> None:
    """Books have an index of titles: what else orders or narrows a page, the planner must think about."""
    asked = ("", "sort=-title", "title=x", "sort=price", "price[gte]=1", "sort=published_at")
    statements = [list_statement(BOOKS, parse_list(asking(query), BOOKS))[0] for query in asked]

    assert [statement.is_held_in_order for statement in statements] == [True] * 3 + [False] * 3


def test_one_question_has_one_query() -> None:
    """However its filters are ordered and spelled, answers are stored once."""
    spelled = parse_list(asking("title=x&price[lt]=3&price[gte]=1"), BOOKS)

    assert spelled == parse_list(asking("price%5Bgte%5D=1&title[eq]=x&price[lt]=3&limit=20&sort=title"), BOOKS)


@pytest.mark.parametrize(
    "query",
    [
        "sort=-title&cursor={cursor}",
        "sort=price&cursor={cursor}",
        "title=x&cursor={cursor}",
        "cursor={cursor}A",
        "cursor={cursor}=",
        "cursor={flipped}",
        "cursor=",
        "cursor=%C3%A9",
        "cursor=" + "A" * 5000,
        "cursor={forged}",
    ],
)
def test_a_cursor_of_another_question_or_a_changed_one_is_refused(query: str) -> None:
    """422 `invalid_cursor`, whatever was done to it."""
    cursor = encode_cursor(BOOKS, "title", (), ("Emma", new_id()))
    flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    forged = encode_cursor(BOOKS, "title", (), ("Emma", "not an id"))

    with pytest.raises(InvalidCursor) as caught:
        parse_list(asking(query.format(cursor=cursor, flipped=flipped, forged=forged)), BOOKS)

    assert [(error.pointer, error.code) for error in caught.value.errors] == [("cursor", "invalid_cursor")]


@given(
    values=st.tuples(st.none() | st.datetimes(timezones=st.just(UTC)), st.uuids()),
    price=st.integers(-(2**63), 2**63 - 1),
)
def test_a_cursor_opens_to_what_was_put_in(values: tuple[Any, ...], price: int) -> None:
    """To the microsecond, for any filter."""
    conditions = (Condition(field="price", operator="lt", value=price),)
    cursor = encode_cursor(BOOKS, "-published_at", conditions, values)

    assert decode_cursor(BOOKS, "-published_at", conditions, cursor) == values


@given(text=st.text(max_size=80))
def test_no_cursor_at_all_breaks_parsing(text: str) -> None:
    """Anything that was not given out is refused in the one way."""
    with pytest.raises(InvalidCursor):
        decode_cursor(BOOKS, "title", (), text)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%D9%A1", "limit"),
        ("price=9223372036854775808", "price"),
        ("price=1.5", "price"),
        ("price=true", "price"),
        ("published_at[gte]=2026-01-01T00:00:00", "published_at[gte]"),
        ("published_at[gte]=1700000000", "published_at[gte]"),
        ("published_at[gte]=0001-01-01T00:00:00%2B14:00", "published_at[gte]"),
        ("title=" + "x" * 201, "title"),
        ("title=a&title=b", "title"),
        ("sort=title,price", "sort"),
        ("title[gte]=a", "title[gte]"),
        ("tenant_id=x", "tenant_id"),
    ],
)
def test_a_value_that_is_not_allowed_is_pointed_at(query: str, pointer: str) -> None:
    """The parameter's name is the pointer."""
    with pytest.raises(InvalidError) as caught:
        parse_list(asking(query), BOOKS)

    assert [error.pointer for error in caught.value.errors] == [pointer]


@pytest.mark.parametrize("query", ["title=%FF", "title=a%00b", "&".join(f"a{n}=1" for n in range(65))])
def test_a_query_string_that_is_none_cannot_be_read(query: str) -> None:
    """400, as for a body: invalid UTF-8, NUL, more parameters than there could be."""
    with pytest.raises(MalformedError):
        parse_list(asking(query), BOOKS)


def test_null_is_a_word_like_any_other() -> None:
    """A query string has no nulls to spell."""
    assert parse_list(asking("title=null"), BOOKS) == ListQuery(
        conditions=(Condition(field="title", operator="eq", value="null"),), sort="title"
    )


@pytest.mark.parametrize(
    ("limit", "words"), [("1000", "Expected `int` <= 100"), ("0", "Expected `int` >= 1"), ("x", "Expected `int`")]
)
def test_a_number_out_of_bounds_is_told_the_bound(limit: str, words: str) -> None:
    """And not that it is text, as everything in a query string is."""
    with pytest.raises(InvalidError) as caught:
        parse_parameters(asking(f"limit={limit}"), BestSellersParameters)

    assert [error.detail for error in caught.value.errors] == [words]


@pytest.mark.parametrize("name", ["a" * 5000, f"price[{'a' * 5000}]"])
def test_an_endless_name_is_not_repeated_whole(name: str) -> None:
    """A pointer is for reading."""
    with pytest.raises(InvalidError) as caught:
        parse_list(asking(f"{name}=1&{name}=2"), BOOKS)

    assert all(len(error.pointer) <= 200 for error in caught.value.errors)
