"""A request's query string into a `ListQuery`."""

import re
from functools import lru_cache
from typing import Any, Final, TypeVar, get_args

import msgspec
from sqlalchemy import Column

from read_side.query_execution.lists.cursors import decode_cursor
from read_side.query_execution.lists.specification import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Condition,
    Filter,
    ListQuery,
    ListSpecification,
    Operator,
)
from read_side.query_execution.parameters import (
    MAX_TEXT_LENGTH,
    Faults,
    HasScope,
    NoParameters,
    query_texts,
    read_value,
    refuse_rest,
    take_parameters,
)

OwnT = TypeVar("OwnT", bound=msgspec.Struct)
_FIELD: Final = re.compile(r"([a-z][a-z0-9_]*)\[([a-z]+)\]\Z")
_INT_BITS: Final = {"SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_MAX_COLUMNS: Final = 4096
"""More than all lists have; names come from allow-lists."""


def parse_list(request: HasScope, specification: ListSpecification) -> ListQuery:
    """The page a request asks for.

    Raises:
        InvalidError: with every fault, each pointing to its parameter.
        InvalidCursor: that alone is wrong.
    """
    return parse_list_with(request, specification, NoParameters)[0]


def parse_list_with(request: HasScope, specification: ListSpecification, own: type[OwnT]) -> tuple[ListQuery, OwnT]:
    """The same for a list that has parameters of its own beside the common ones."""
    faults = Faults()
    texts = query_texts(request, faults)
    parsed = take_parameters(texts, own, faults)
    cursor = texts.pop("cursor", None)
    sort = _take_sort(texts, specification, faults)
    limit = _take_limit(texts, faults)
    conditions = _take_conditions(texts, specification, faults)
    refuse_rest(texts, faults)
    faults.raise_any()
    assert parsed is not None
    after = None if cursor is None else decode_cursor(specification, sort, conditions, cursor)
    return ListQuery(conditions=conditions, sort=sort, limit=limit, after=after), parsed


def _take_sort(texts: dict[str, str], specification: ListSpecification, faults: Faults) -> str:
    sort = texts.pop("sort", specification.default_sort)
    if sort.removeprefix("-") not in specification.sorts:
        faults.add("sort", "unknown_sort", "one of " + ", ".join(specification.sorts) + "; descending with - before it")
        return specification.default_sort
    return sort


def _take_limit(texts: dict[str, str], faults: Faults) -> int:
    text = texts.pop("limit", f"{DEFAULT_LIMIT}")
    if not (text.isascii() and text.isdecimal() and len(text) <= len(f"{MAX_LIMIT}") and 1 <= int(text) <= MAX_LIMIT):
        faults.add("limit", "invalid", f"a whole number from 1 to {MAX_LIMIT}")
        return DEFAULT_LIMIT
    return int(text)


def _take_conditions(texts: dict[str, str], specification: ListSpecification, faults: Faults) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    for name in list(texts):
        match = _FIELD.match(name)
        field, operator = (match[1], match[2]) if match else (name, "eq")
        known = specification.filters.get(field)
        if known is None:
            continue  # `refuse_rest` tells
        text = texts.pop(name)
        if operator not in get_args(Operator) or operator not in known.operators:
            faults.add(
                name[:MAX_TEXT_LENGTH], "unknown_operator", "this field takes " + ", ".join(sorted(known.operators))
            )
            continue
        try:
            value = _read(text, specification, known)
        except ValueError as error:
            faults.add(name, "invalid", f"{error}")
        else:
            conditions.append(Condition(field=field, operator=operator, value=value))
    # `status=paid` and `status[eq]=paid` are one question, and so are the same filters in another order.
    if len(conditions) > 1:
        conditions.sort(key=lambda condition: (condition.field, condition.operator, f"{condition.value}"))
    return tuple(conditions)


def _read(text: str, specification: ListSpecification, known: Filter) -> object:
    column = specification.column(known.column)
    value = read_value(text, column.type.python_type if known.type is None else known.type)
    bits = _int_bits(column)
    if bits is not None and isinstance(value, int) and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(f"a whole number of at most {bits} bits")
    return value


@lru_cache(maxsize=_MAX_COLUMNS)
def _int_bits(column: Column[Any]) -> int | None:  # Any: columns of every type
    """How wide a column of whole numbers is; SQLAlchemy makes a dialect up to say so."""
    return _INT_BITS.get(str(column.type))
