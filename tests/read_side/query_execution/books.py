"""A view of the tests' own, and the endpoints over it."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from projections.fold import Projection
from read_side.query_execution import (
    RANGE,
    Answer,
    Envelope,
    Filter,
    FromPath,
    ListQuery,
    ListSpecification,
    NamedDependency,
    NoParameters,
    Queries,
    QueryRequest,
    Record,
    Response,
    Snapshot,
    list_page,
    parse_list,
    parse_parameters,
    query_route,
)
from shared_kernel.access.roles import READ_OPERATIONS
from shared_kernel.identifiers import new_id
from shared_kernel.redis.state import ProjectionState
from shared_kernel.views import DOCUMENT, View, view_table

AS_OF = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INCARNATION = "0123abcd"


class BookRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row with a column of every kind that lists and entities deal with."""

    book_id: UUID
    title: str
    price_minor: int
    published_at: datetime | None
    tags: tuple[str, ...]


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer shows of it."""

    id: UUID
    title: str
    price_minor: int


def book_body(row: BookRow) -> bytes:
    """The entity's data."""
    return msgspec.json.encode({"id": row.book_id, "title": row.title, "tags": row.tags})


def book_document(row: BookRow) -> str:
    """The list's item."""
    return msgspec.json.encode(Book(id=row.book_id, title=row.title, price_minor=row.price_minor)).decode()


VIEW = View(
    name="tested_book",
    version=1,
    row=BookRow,
    key=("book_id",),
    table=view_table(
        "tested_book",
        1,
        Column("book_id", Uuid, primary_key=True),
        Column("title", Text, nullable=False),
        Column("price_minor", BigInteger, nullable=False),
        Column("published_at", DateTime(timezone=True)),
        Column("tags", JSONB, nullable=False),
        Column(DOCUMENT, Text, nullable=False),
        Index("tested_book_title", "title", "book_id"),
    ),
    body=book_body,
    document=book_document,
)
PROJECTION = Projection(
    view=VIEW, handles=frozenset(), touches=lambda _recorded: (), evolve=lambda row, _part, _recorded: row
)
BOOKS = ListSpecification(
    view=VIEW,
    columns=("book_id", "title", "price_minor"),
    sorts={"title": "title", "price": "price_minor", "published_at": "published_at"},
    default_sort="title",
    filters={
        "title": Filter(column="title"),
        "price": Filter(column="price_minor", operators=RANGE),
        "published_at": Filter(column="published_at", operators=RANGE),
    },
)
READY_BOOKS = msgspec.structs.replace(BOOKS, columns=(DOCUMENT,))
"""The same list, of the items that rows carry."""


class Reads:
    """How often the table was really read, and an endpoint run; real views count nothing."""

    count = 0
    routed = 0


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """A sum, whose rows nobody can name."""

    books: int
    price_minor: int


class TotalQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the shelf."""


_TOTAL = """
SELECT count(*) AS books, coalesce(sum(price_minor), 0)::bigint AS price_minor
FROM read.tested_book__v1 WHERE tenant_id = $1 AND build = $2
"""


def book_item(record: Record) -> Book:
    """One item of the list."""
    return Book(id=record["book_id"], title=record["title"], price_minor=record["price_minor"])


@query_route("/books", policy=READ_OPERATIONS, cost=2, parameters=BOOKS, summary="Books")
async def books(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[Book]]]:
    """A list."""
    Reads.routed += 1
    return await queries.page(request, view=VIEW, query=parse_list(request, BOOKS), fetch=_book_page)


async def _book_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    Reads.count += 1
    return await list_page(snapshot, BOOKS, query, item=book_item)


@query_route("/books/{book_id:uuid}", policy=READ_OPERATIONS, summary="One book")
async def book(
    request: QueryRequest, queries: NamedDependency[Queries], book_id: FromPath[UUID]
) -> Response[Envelope[Book]]:
    """An entity."""
    Reads.routed += 1
    parse_parameters(request, NoParameters)
    return await queries.entity(request, view=VIEW, key=(book_id,))


@query_route("/total", policy=READ_OPERATIONS, summary="The shelf's worth")
async def total(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[Total]]:
    """A sum."""
    Reads.routed += 1
    parse_parameters(request, NoParameters)
    return await queries.answer(request, view=VIEW, query=TotalQuery(), fetch=_fetch_total)


async def _fetch_total(snapshot: Snapshot, _query: TotalQuery) -> Answer:
    Reads.count += 1
    record = await snapshot.row(_TOTAL)
    assert record is not None
    return Answer(data=msgspec.json.encode(Total(books=record["books"], price_minor=record["price_minor"])))


class TitlesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Every title on the shelf."""


_TITLES = "SELECT title FROM read.tested_book__v1 WHERE tenant_id = $1 AND build = $2 ORDER BY title"


@query_route("/titles", policy=READ_OPERATIONS, compresses=True, summary="All titles")
async def titles(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[str]]]:
    """As long an answer as the titles are."""
    Reads.routed += 1
    parse_parameters(request, NoParameters)
    return await queries.answer(request, view=VIEW, query=TitlesQuery(), fetch=_fetch_titles)


async def _fetch_titles(snapshot: Snapshot, _query: TitlesQuery) -> Answer:
    Reads.count += 1
    records = await snapshot.rows(_TITLES)
    return Answer(data=msgspec.json.encode([record["title"] for record in records]))


ROUTES = (books, book, total, titles)


def state(*, position: int, revision: int | None = None, parked: int = 0, rows: int = 0) -> ProjectionState:
    """A state of the first build; its revision is the position unless told."""
    return ProjectionState(
        build=1,
        revision=position if revision is None else revision,
        position=position,
        as_of=AS_OF,
        parked=parked,
        rows=rows,
    )


def a_book(title: str, *, price_minor: int = 999, published_at: datetime | None = None) -> BookRow:
    """A book."""
    return BookRow(book_id=new_id(), title=title, price_minor=price_minor, published_at=published_at, tags=("classic",))
