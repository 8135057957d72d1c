"""The one way a query is answered: limits, freshness, caches, snapshot, conditional requests. Views say what to read.

A view's `endpoints.py` and `queries.py` use what is named in `__all__` here, and nothing below. (`view.py` does not
import this package: projections import `view.py`.) There are three shapes of query.

1. An entity by its key, its row written through to Redis (the view has a `body`). No SQL to write:

    @query_route("/orders/{order_id:uuid}", policy=READ_OPERATIONS, summary="One order")
    async def order(
        request: QueryRequest, queries: NamedDependency[Queries], order_id: FromPath[UUID]
    ) -> Response[Envelope[OrderDetail]]:
        parse_parameters(request, NoParameters)
        return await queries.entity(request, view=VIEW, key=(order_id,))

2. A list: filters, sorts, cursors, pages and `exact_count` come from its specification:

    ORDERS = ListSpecification(
        view=VIEW,
        columns=("order_id", "number", "placed_at", "status", "total_minor", "currency"),
        sorts={"placed_at": "placed_at", "total": "total_minor"},
        default_sort="-placed_at",
        filters={
            "status": Filter(column="status", type=OrderStatus),
            "placed_at": Filter(column="placed_at", operators=RANGE),
        },
    )

    @query_route("/orders", policy=READ_OPERATIONS, cost=2, parameters=ORDERS, summary="Orders")
    async def orders(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[OrderItem]]]:
        return await queries.page(request, view=VIEW, query=parse_list(request, ORDERS), fetch=order_page)

    async def order_page(snapshot: Snapshot, query: ListQuery) -> Answer:
        return await list_page(snapshot, ORDERS, query, item=order_item)      # order_item: Record -> Struct

   Where rows carry their item ready to be sent (the view has a `document`): `columns=(DOCUMENT,)` and
   `document_page(snapshot, ORDERS, query)`, a fifth less of the API's time, where reads far outnumber changes.

   With further parameters (`own_parameters=` in the route): `page, own = parse_list_with(request, ORDERS, Own)`, and a
   frozen query struct that holds both (`page: ListQuery`, plus yours, resolved).

   (`queries.page` is for a fetch of one statement that an index keeps short; `queries.answer` for all others.)

3. Anything else (sums, ranks, search): parameters into a struct, the struct resolved, one fetch over ONE view's table:

    class SalesParameters(msgspec.Struct, frozen=True, kw_only=True, rename={"from_date": "from"}):
        by: Literal["hour", "day"] = "day"
        from_date: date | None = None
        def __post_init__(self) -> None:      # ValueError("from: …") becomes a 422 that points to `from`
            ...

    @query_route("/sales", policy=READ_FIGURES, cost=5, parameters=SalesParameters, summary="Sales")
    async def sales(request: QueryRequest, queries: NamedDependency[Queries]) -> Response[Envelope[list[SalesBucket]]]:
        query = resolve(parse_parameters(request, SalesParameters), today=…)  # absolute dates, defaults filled
        return await queries.answer(request, view=VIEW, query=query, fetch=fetch_sales)

    async def fetch_sales(snapshot: Snapshot, query: SalesQuery) -> Answer:
        records = await snapshot.rows(SALES, query.from_date, query.to_date)  # SQL: $1 tenant, $2 build, yours from $3
        return Answer(data=msgspec.json.encode([...]))                # row_keys=None: any parked key degrades it

What holds for every fetch
- It reads only its view's table, with `WHERE tenant_id = $1 AND build = $2` first; under row-level security only
  leakproof operators (`=`, ranges, `IN`, `= ANY`) use an index. No commit, no clock, no context: the same query struct
  must give the same bytes while the view's rows do not change, since answers are stored under (tenant, view, query
  struct's name and value, build, revision). What the answer depends on beside rows (today's date, the caller's role) is
  a field of the struct.
- It returns None for what does not exist (404), and `row_keys` (`encode_key` of each shown key) where it shows rows.
- The caller's principal is `principal_of(request)`; its tenant has the store's `timezone` and `currency`.
- Unknown parameters are refused on every route: call `parse_parameters(request, NoParameters)` where there are none.
- JSONB columns arrive as text: `msgspec.Raw(record["lines"].encode())`, or decode it.
- GET and HEAD both come from `query_route`. Export `ROUTES: tuple[HTTPRouteHandler, ...]` from each `endpoints.py`;
  `read_side/app.py` lists them.
"""

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath

from read_side.query_execution.answers import Answer, Fetch, Record, Snapshot
from read_side.query_execution.cursors import PlaceInt64, PlaceText, decode_cursor, encode_cursor
from read_side.query_execution.frozen import BuildProgress
from read_side.query_execution.lists.page import document_page, list_page
from read_side.query_execution.lists.parsing import parse_list, parse_list_with
from read_side.query_execution.lists.specification import (
    EQUAL,
    RANGE,
    Condition,
    Filter,
    ListQuery,
    ListSpecification,
)
from read_side.query_execution.parameters import NoParameters, has_parameter, parse_parameters
from read_side.query_execution.queries import Queries
from read_side.query_execution.requests import QueryRequest, principal_of
from read_side.query_execution.routes import query_route
from shared_kernel.http.envelope import Envelope

__all__ = [
    "EQUAL",
    "RANGE",
    "Answer",
    "BuildProgress",
    "Condition",
    "Envelope",
    "Fetch",
    "Filter",
    "FromPath",
    "ListQuery",
    "ListSpecification",
    "NamedDependency",
    "NoParameters",
    "PlaceInt64",
    "PlaceText",
    "Queries",
    "QueryRequest",
    "Record",
    "Response",
    "Snapshot",
    "decode_cursor",
    "document_page",
    "encode_cursor",
    "has_parameter",
    "list_page",
    "parse_list",
    "parse_list_with",
    "parse_parameters",
    "principal_of",
    "query_route",
]
