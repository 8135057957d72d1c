"""What a list's cursor is bound to, and what it holds: the values of the columns that order the list."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column

from read_side.query_execution import cursors
from read_side.query_execution.cursors import PlaceInt16, PlaceInt32, PlaceInt64, PlaceText, PlaceTime
from read_side.query_execution.lists.specification import Condition, ListSpecification

_MAX_ORDERS: Final = 512
"""Sorts come from allow-lists."""
# Any: type expressions, by the column's type in SQL where it says a width, else in Python.
_OF_COLUMN: Final[dict[str, Any]] = {"SMALLINT": PlaceInt16, "INTEGER": PlaceInt32, "BIGINT": PlaceInt64}
_OF_VALUE: Final[dict[type, Any]] = {str: PlaceText, datetime: PlaceTime}


def encode_cursor(
    specification: ListSpecification, sort: str, conditions: tuple[Condition, ...], values: tuple[Any, ...]
) -> str:
    """The place after a row, whose values of the ordering columns these are."""
    return cursors.encode_cursor(_question(specification, sort, conditions), values)


def decode_cursor(
    specification: ListSpecification, sort: str, conditions: tuple[Condition, ...], cursor: str
) -> tuple[Any, ...]:
    """The values `encode_cursor` was given.

    Raises:
        InvalidCursor: it is not a cursor of this list, sort and filters.
    """
    return cursors.decode_cursor(_question(specification, sort, conditions), cursor, _place_type(specification, sort))


def _question(specification: ListSpecification, sort: str, conditions: tuple[Condition, ...]) -> tuple[object, ...]:
    return (specification.view.label, specification.columns, sort, _order_names(specification, sort), conditions)


@lru_cache(maxsize=_MAX_ORDERS)
def _order_names(specification: ListSpecification, sort: str) -> list[str]:
    # Plain text: SQLAlchemy's names are a kind of str that msgspec refuses.
    return [f"{column.name}" for column in specification.order(sort)]


@lru_cache(maxsize=_MAX_ORDERS)
def _place_type(specification: ListSpecification, sort: str) -> type[tuple[Any, ...]]:
    """Exactly the types of the columns that order the list."""
    kinds: Any = tuple(_value_type(column) for column in specification.order(sort))
    made: Any = tuple.__class_getitem__(kinds)
    return made  # type: ignore[no-any-return]  # a type made while running


def _value_type(column: Column[Any]) -> Any:  # noqa: ANN401 - a type expression
    python_type = column.type.python_type
    kind = _OF_COLUMN.get(str(column.type)) or _OF_VALUE.get(python_type, python_type)
    return kind | None if column.nullable else kind
