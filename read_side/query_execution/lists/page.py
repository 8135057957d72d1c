"""One page of a list, read in one statement."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from read_side.query_execution.answers import Answer, Record, Snapshot
from read_side.query_execution.lists.cursors import encode_cursor
from read_side.query_execution.lists.specification import Condition, ListQuery, ListSpecification
from read_side.query_execution.lists.statements import list_statement
from shared_kernel.views import encode_key


async def list_page(
    snapshot: Snapshot,
    specification: ListSpecification,
    query: ListQuery,
    *,
    item: Callable[[Record], Any],  # Any: whatever struct an item of this list is
    also: tuple[Condition, ...] = (),
) -> Answer:
    """The page a query asks for, and where the next begins.

    Args:
        snapshot: to read in.
        specification: of the list.
        query: as `parse_list` made it.
        item: makes one row of `data` of a record that has the specification's columns.
        also: conditions that follow from the list's own parameters, in the terms of its filters.
    """
    narrowed = msgspec.structs.replace(query, conditions=(*query.conditions, *also))
    statement, arguments = list_statement(specification, narrowed)
    read = snapshot.rows_by_index if statement.is_held_in_order else snapshot.rows
    records = await read(statement.text, *arguments)
    shown = records[: query.limit]
    has_more = len(records) > query.limit
    return Answer(
        data=msgspec.json.encode([item(record) for record in shown]),
        next_cursor=_cursor_after(specification, query, shown[-1]) if has_more else None,
        has_more=has_more,
        exact_count=_count(snapshot, specification, narrowed),
        row_keys=_keys(specification, shown) if snapshot.state.parked else None,
    )


def _cursor_after(specification: ListSpecification, query: ListQuery, record: Record) -> str:
    values = tuple(record[column.name] for column in specification.order(query.sort))
    return encode_cursor(specification, query.sort, query.conditions, values)


def _keys(specification: ListSpecification, shown: Sequence[Record]) -> tuple[str, ...]:
    key = specification.view.key
    return tuple(encode_key(tuple(record[name] for name in key)) for record in shown)


def _count(snapshot: Snapshot, specification: ListSpecification, query: ListQuery) -> int | None:
    """The projection counts its rows, not those a filter leaves."""
    if query.conditions or specification.fixed or not specification.counted:
        return None
    return snapshot.state.rows
