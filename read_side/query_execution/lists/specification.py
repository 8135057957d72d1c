"""What a list offers, and what one request asks of it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import Column
from sqlalchemy.sql.elements import ColumnElement

from shared_kernel.views import View

Operator: TypeAlias = Literal["eq", "gte", "gt", "lte", "lt"]
EQUAL: Final[frozenset[Operator]] = frozenset({"eq"})
RANGE: Final[frozenset[Operator]] = frozenset({"eq", "gte", "gt", "lte", "lt"})
DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
_MAX_COLUMNS: Final = 4096
"""More than all lists have; names come from allow-lists."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A column that may be filtered by.

    Attributes:
        column: its name in the view's table.
        operators: `field=value` is `eq`; the others are written `field[gte]=value`.
        type: what values are read as (a StrEnum or Literal narrows them); None: the column's own Python type.
    """

    column: str
    operators: frozenset[Operator] = EQUAL
    type: Any = None  # Any: a type expression, as msgspec takes it


# eq=False: a list is itself and nothing else, so compiled statements are remembered by identity.
class ListSpecification(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One list of one view.

    Attributes:
        view: whose table is read, and nothing else.
        columns: names of what an item is made of; the key and the sort's column come along by themselves.
        sorts: public name to column name; an index that leads with it (and the key after it) makes it cheap.
        default_sort: a public name, `-` before it for descending. Ties go by the view's key, in the same direction.
        filters: by public name.
        fixed: conditions that always hold, without bound values.
        counted: whether the unfiltered list tells `exact_count`, which costs nothing; not together with `fixed`.
    """

    view: View[Any]  # Any: a list works with every view's row
    columns: tuple[str, ...]
    sorts: Mapping[str, str]
    default_sort: str
    filters: Mapping[str, Filter] = {}
    fixed: tuple[ColumnElement[bool], ...] = ()
    counted: bool = True

    def __post_init__(self) -> None:
        names = {*self.columns, *self.sorts.values(), *(field.column for field in self.filters.values())}
        unknown = names - set(self.view.table.columns.keys())
        if unknown or self.default_sort.removeprefix("-") not in self.sorts:
            raise ValueError(f"{self.view.name}: no such column or sort: {sorted(unknown) or self.default_sort}")

    def column(self, name: str) -> Column[Any]:  # Any: columns of every type
        """A column of the view's table."""
        return _column(self, name)

    def order(self, sort: str) -> tuple[Column[Any], ...]:  # Any: as above
        """The columns a sort orders by: its own, then the key's, none twice."""
        return _order(self, sort)


# Looking a column up in SQLAlchemy costs more than all else that is done with it.
@lru_cache(maxsize=_MAX_COLUMNS)
def _column(specification: ListSpecification, name: str) -> Column[Any]:  # Any: as above
    found: Column[Any] = specification.view.table.columns[name]
    return found


@lru_cache(maxsize=_MAX_COLUMNS)
def _order(specification: ListSpecification, sort: str) -> tuple[Column[Any], ...]:  # Any: as above
    names = dict.fromkeys((specification.sorts[sort.removeprefix("-")], *specification.view.key))
    return tuple(specification.column(name) for name in names)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One filter of one request."""

    field: str
    operator: Operator
    value: Any  # Any: of the filter's type


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page, fully resolved: conditions in a fixed order, defaults filled in, the cursor opened.

    `after` holds the last row's values of the columns that order the list; None: from the beginning.
    """

    conditions: tuple[Condition, ...]
    sort: str
    limit: int = DEFAULT_LIMIT
    after: tuple[Any, ...] | None = None  # Any: values of the order's columns
