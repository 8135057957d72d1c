"""One page of a list, read in one statement."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from read_side.query_execution.answers import Answer, Record, Snapshot
from read_side.query_execution.lists.cursors import encode_cursor
from read_side.query_execution.lists.specification import Condition, ListQuery, ListSpecification
from read_side.query_execution.lists.statements import gathered_statement, list_statement
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


async def document_page(snapshot: Snapshot, specification: ListSpecification, query: ListQuery) -> Answer:
    """The same of a list whose rows carry their document: items are neither made nor encoded, but put side by side.

    Args:
        snapshot: to read in.
        specification: whose one column is `DOCUMENT`.
        query: as `parse_list` made it.
    """
    is_keyed = bool(snapshot.state.parked)
    statement, arguments = gathered_statement(specification, query, keyed=is_keyed)
    read = snapshot.row_by_index if statement.is_held_in_order else snapshot.row
    record = await read(statement.text, *arguments)
    assert record is not None, "arrays of no rows are a record, too"
    documents: list[str] = record["documents"] or []
    has_more = len(documents) > query.limit
    place = range(len(specification.order(query.sort)))
    return Answer(
        data=f"[{','.join(documents[: query.limit])}]".encode(),
        next_cursor=_cursor(specification, query, [record[f"place_{n}"] for n in place]) if has_more else None,
        has_more=has_more,
        exact_count=_count(snapshot, specification, query),
        row_keys=_gathered_keys(specification, record)[: query.limit] if is_keyed else None,
    )


def _cursor_after(specification: ListSpecification, query: ListQuery, record: Record) -> str:
    return _cursor(specification, query, [record[column.name] for column in specification.order(query.sort)])


def _cursor(specification: ListSpecification, query: ListQuery, place: list[object]) -> str:
    return encode_cursor(specification, query.sort, query.conditions, tuple(place))


def _keys(specification: ListSpecification, shown: Sequence[Record]) -> tuple[str, ...]:
    key = specification.view.key
    return tuple(encode_key(tuple(record[name] for name in key)) for record in shown)


def _gathered_keys(specification: ListSpecification, record: Record) -> tuple[str, ...]:
    parts = (record[f"key_{n}"] or () for n in range(len(specification.view.key)))
    return tuple(map(encode_key, zip(*parts, strict=True)))


def _count(snapshot: Snapshot, specification: ListSpecification, query: ListQuery) -> int | None:
    """The projection counts its rows, not those a filter leaves."""
    if query.conditions or specification.fixed or not specification.counted:
        return None
    return snapshot.state.rows
