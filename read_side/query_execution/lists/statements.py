"""A page's statement: built with SQLAlchemy Core, compiled once a shape, executed by asyncpg."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from sqlalchemy import BigInteger, Column, and_, bindparam, or_, select, tuple_
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.elements import ColumnElement

from read_side.query_execution.lists.specification import ListQuery, ListSpecification, Operator
from shared_kernel.views import DOCUMENT

_MAX_SHAPES: Final = 512
"""Shapes are made of allow-listed names only, so nobody can make many; past it the oldest is compiled again."""
_DIALECT: Final = PGDialect_asyncpg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """A page in one record; `keyed`: with the keys of its rows."""

    keyed: bool


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """All of a page's query that shows in its SQL: everything else is bound."""

    specification: ListSpecification
    conditions: tuple[tuple[str, Operator], ...]
    sort: str
    nulls_after: tuple[bool, ...] | None
    gathered: Gathered | None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """SQL text whose $1 is the tenant and $2 the build, and the names of the parameters that follow.

    Attributes:
        is_held_in_order: whether an index holds just the rows that are asked for, in the order asked for.
    """

    text: str
    parameters: tuple[str, ...]
    is_held_in_order: bool


def list_statement(specification: ListSpecification, query: ListQuery) -> tuple[Statement, list[Any]]:
    """The statement of a page and its arguments from $3 on; it asks for one row more than the page has."""
    return _statement(specification, query, gathered=None)


def gathered_statement(
    specification: ListSpecification, query: ListQuery, *, keyed: bool
) -> tuple[Statement, list[Any]]:
    """The same of rows that carry their document, gathered in one record, which costs the driver less than rows.

    It has an array `documents`, null where there is no row; `place_0` and so on, the values that order the page's last
    row where there is one more; and, where `keyed`, `key_0` and so on, an array each.
    """
    return _statement(specification, query, gathered=Gathered(keyed=keyed))


def _statement(
    specification: ListSpecification, query: ListQuery, *, gathered: Gathered | None
) -> tuple[Statement, list[Any]]:
    after = query.after
    statement = _compiled(
        Shape(
            specification=specification,
            conditions=tuple((condition.field, condition.operator) for condition in query.conditions),
            sort=query.sort,
            nulls_after=None if after is None else tuple(value is None for value in after),
            gathered=gathered,
        )
    )
    values: dict[str, Any] = {"page": query.limit + 1}  # Any: arguments of every type
    values.update((f"filter_{index}", condition.value) for index, condition in enumerate(query.conditions))
    values.update((f"after_{index}", value) for index, value in enumerate(after or ()))
    return statement, [values[name] for name in statement.parameters]


@lru_cache(maxsize=_MAX_SHAPES)
def _compiled(shape: Shape) -> Statement:
    specification = shape.specification
    table = specification.view.table
    order = specification.order(shape.sort)
    descending = shape.sort.startswith("-")
    names = dict.fromkeys((*specification.columns, *(column.name for column in order)))
    clauses = [
        table.c.tenant_id == bindparam("tenant_id", type_=table.c.tenant_id.type),
        table.c.build == bindparam("build", type_=table.c.build.type),
        *specification.fixed,
        *(_condition(shape, index) for index in range(len(shape.conditions))),
    ]
    if shape.nulls_after is not None:
        clauses.append(_after(order, shape.nulls_after, descending=descending))
    built = (
        select(*(specification.column(name) for name in names))
        .where(*clauses)
        # PostgreSQL's own places for nulls (last, descending first), so that one index serves both directions.
        .order_by(*(column.desc() if descending else column.asc() for column in order))
        .limit(bindparam("page", type_=BigInteger))
    )
    compiled = built.compile(dialect=_DIALECT)
    parameters = tuple(cast("list[str]", compiled.positiontup))
    if parameters[:2] != ("tenant_id", "build"):
        raise AssertionError("a list's statement has tenant and build as its first parameters")
    text = str(compiled)
    if shape.gathered is not None:
        keys = specification.view.key if shape.gathered.keyed else ()
        last_shown = f"${1 + parameters.index('page')}::bigint - 1"
        text = _in_one_record(text, [column.name for column in order], keys, last_shown=last_shown)
    return Statement(text=text, parameters=parameters[2:], is_held_in_order=_is_held_in_order(shape))


def _in_one_record(page: str, order: Sequence[str], key: Sequence[str], *, last_shown: str) -> str:
    """Nothing stands between the page and the aggregates, so they see its rows in its order."""
    place = [f"(array_agg(asked.{name}))[{last_shown}] AS place_{number}" for number, name in enumerate(order)]
    keys = [f"array_agg(asked.{name}) AS key_{number}" for number, name in enumerate(key)]
    gathered = ", ".join([f"array_agg(asked.{DOCUMENT}) AS documents", *place, *keys])
    return f"SELECT {gathered} FROM ({page}) AS asked"  # noqa: S608 - names of the view's own Table


def _is_held_in_order(shape: Shape) -> bool:
    """Whether one index leads with the columns that are to be equal, and goes on with those that order the page.

    A range may stand on the first of the latter only; and what has no order by itself (nulls, further conditions) is
    left to the planner, who looks at the values.
    """
    specification, order = shape.specification, [column.name for column in shape.specification.order(shape.sort)]
    conditions = [(specification.filters[field].column, operator) for field, operator in shape.conditions]
    equal = {name for name, operator in conditions if operator == "eq"}
    rest = [name for name in order if name not in equal]
    ranges = {name for name, operator in conditions if operator != "eq"}
    goes_on_after_null = shape.nulls_after is not None and specification.column(order[0]).nullable
    if specification.fixed or goes_on_after_null or not ranges <= set(rest[:1]):
        return False
    table = specification.view.table
    indexes = [[column.name for column in index.columns] for index in table.indexes]
    return any(
        set(names[: len(equal)]) == equal and names[len(equal) : len(equal) + len(rest)] == rest
        for names in (*indexes, list(specification.view.key))
    )


def _condition(shape: Shape, index: int) -> ColumnElement[bool]:
    field, operator = shape.conditions[index]
    column = shape.specification.column(shape.specification.filters[field].column)
    bound = bindparam(f"filter_{index}", type_=column.type)
    match operator:
        case "eq":
            return column == bound
        case "gte":
            return column >= bound
        case "gt":
            return column > bound
        case "lte":
            return column <= bound
        case "lt":
            return column < bound


def _after(
    order: tuple[Column[Any], ...],  # Any: columns of every type
    nulls: tuple[bool, ...],
    *,
    descending: bool,
) -> ColumnElement[bool]:
    """What comes after the cursor's row; only the first column may be null, the others are the key."""
    bounds = [bindparam(f"after_{index}", type_=column.type) for index, column in enumerate(order)]
    first, *key = order
    if not nulls[0]:
        # One comparison of rows, which an index on these columns can begin at; a null is on neither side of it.
        later = _beyond(order, bounds, descending=descending)
        return or_(later, first.is_(None)) if first.nullable and not descending else later
    later = and_(first.is_(None), _beyond(tuple(key), bounds[1:], descending=descending))
    return or_(later, first.is_not(None)) if descending else later


def _beyond(
    columns: tuple[Column[Any], ...],  # Any: as above
    bounds: list[Any],
    *,
    descending: bool,
) -> ColumnElement[bool]:
    left, right = (columns[0], bounds[0]) if len(columns) == 1 else (tuple_(*columns), tuple_(*bounds))
    return left < right if descending else left > right
