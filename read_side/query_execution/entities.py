"""An entity by its key, for any view whose rows go to Redis: the same bytes from the table as the projector writes."""

from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB

from read_side.query_execution.answers import Answer, Fetch, Record, Snapshot
from shared_kernel.views import View, encode_key

_MAX_VIEWS: Final = 256
RowT = TypeVar("RowT", bound=msgspec.Struct)


class EntityQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a view."""

    key: tuple[Any, ...]  # Any: values of the key's columns


def entity_fetch(view: View[RowT]) -> Fetch[EntityQuery]:
    """Reads one row and encodes it with the view's own `body`."""
    body = view.body
    if body is None:
        raise ValueError(f"{view.label} has no body: its rows are not entities")

    async def fetch(snapshot: Snapshot, query: EntityQuery) -> Answer | None:
        record = await snapshot.row_by_index(_statement(view), *query.key)
        if record is None:
            return None
        return Answer(data=body(_row(view, record)), row_keys=(encode_key(query.key),))

    return fetch


def _row(view: View[RowT], record: Record) -> RowT:
    types = _json_types(view)
    values = {
        name: msgspec.json.decode(value, type=types[name]) if name in types and value is not None else value
        for name, value in ((name, record[name]) for name in view.row.__struct_fields__)
    }
    return view.row(**values)


@lru_cache(maxsize=_MAX_VIEWS)
def _statement(view: View[Any]) -> str:  # Any: rows of every view
    columns = ", ".join(column.name for column in view.own_columns)
    conditions = " AND ".join(f"{name} = ${index}" for index, name in enumerate(view.key, start=3))
    # Names come from the view's own Table; what a client sends is bound.
    return f"SELECT {columns} FROM {view.table.fullname} WHERE tenant_id = $1 AND build = $2 AND {conditions}"  # noqa: S608


@lru_cache(maxsize=_MAX_VIEWS)
def _json_types(view: View[Any]) -> dict[str, Any]:  # Any: types of every field
    return {
        field.name: field.type for field in msgspec.structs.fields(view.row) if _is_json(view.table.columns[field.name])
    }


def _is_json(column: Column[Any]) -> bool:  # Any: columns of every type
    return isinstance(column.type, JSONB)
